@description('Name of the system topic, in the resource group of this module\'s deployment.')
param topicName string

@description('Name of the subscription.')
param name string

@description('Resource id of the function that receives the events. It must be published.')
param functionId string

@description('Flow-log containers to subscribe to.')
param containers string[]

@description('Resource id of the storage account for dead-lettered events.')
param deadLetterAccountId string

@description('Container for dead-lettered events.')
param deadLetterContainer string

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

resource delivery 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: name
  properties: {
    destination: {
      endpointType: 'AzureFunction'
      properties: {
        resourceId: functionId
        // One event per invocation: Event Grid delivers a failed batch again as a whole.
        maxEventsPerBatch: 1
        preferredBatchSizeInKilobytes: 64
      }
    }
    eventDeliverySchema: 'EventGridSchema'
    filter: {
      includedEventTypes: ['Microsoft.Storage.BlobCreated']
      // There is only one subject prefix; several containers need the advanced filter below.
      subjectBeginsWith: length(containers) == 1
        ? '/blobServices/default/containers/${containers[0]}/'
        : '/blobServices/default/containers/'
      subjectEndsWith: 'PT1H.json'
      isSubjectCaseSensitive: false
      enableAdvancedFilteringOnArrays: true
      advancedFilters: union(
        [
          {
            // The operations that write content. CreateFile, which precedes FlushWithClose, creates an empty blob.
            operatorType: 'StringIn'
            key: 'data.api'
            values: ['PutBlockList', 'PutBlob', 'FlushWithClose']
          }
        ],
        length(containers) == 1
          ? []
          : [
              {
                operatorType: 'StringBeginsWith'
                key: 'subject'
                values: map(containers, container => '/blobServices/default/containers/${container}/')
              }
            ]
      )
    }
    // Event Grid's maximum: a delivered event is forwarded sooner than the sweep would do it.
    retryPolicy: {
      maxDeliveryAttempts: 30
      eventTimeToLiveInMinutes: 1440
    }
    deadLetterWithResourceIdentity: {
      identity: {
        type: 'SystemAssigned'
      }
      deadLetterDestination: {
        endpointType: 'StorageBlob'
        properties: {
          resourceId: deadLetterAccountId
          blobContainerName: deadLetterContainer
        }
      }
    }
  }
}

@description('Resource id of the subscription.')
output id string = delivery.id
