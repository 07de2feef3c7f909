@description('Name of the system topic, in the resource group that this module is deployed to.')
param topicName string

@description('Name of the subscription.')
param name string

@description('Resource id of the function that takes the events. It must have been published.')
param functionId string

@description('Flow-log containers whose blobs count.')
param containers string[]

@description('Resource id of the storage account that takes events which could not be delivered.')
param deadLetterAccountId string

@description('Container for them.')
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
        // One event a call: a failed call is delivered again as a whole, so a batch would be repeated as a whole.
        maxEventsPerBatch: 1
        preferredBatchSizeInKilobytes: 64
      }
    }
    eventDeliverySchema: 'EventGridSchema'
    filter: {
      includedEventTypes: ['Microsoft.Storage.BlobCreated']
      // A subscription has one subject prefix: the container's, where there is only one.
      subjectBeginsWith: length(containers) == 1
        ? '/blobServices/default/containers/${containers[0]}/'
        : '/blobServices/default/containers/'
      subjectEndsWith: 'PT1H.json'
      isSubjectCaseSensitive: false
      enableAdvancedFilteringOnArrays: true
      advancedFilters: union(
        [
          {
            // The calls that give a blob its content; the empty CreateFile before a FlushWithClose is none.
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
    // The most that Event Grid offers: the events are hints, but the earlier one is taken, the fresher the SIEM.
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
