metadata description = 'The event subscriptions of the flow-log accounts. They name the function, so it must have been published before.'

targetScope = 'resourceGroup'

@description('A flow-log account\'s place, as main.bicep gives it.')
type subscribedAccount = {
  @description('Name of the account.')
  name: string

  @description('Resource group of the account.')
  resourceGroup: string

  @description('Id of the subscription of the account.')
  subscriptionId: string

  @description('Name of the account\'s system topic.')
  topicName: string
}

@description('Flow-log accounts: the output `sources` of main.bicep.')
param sources subscribedAccount[]

@description('Resource id of the function app: the output `functionAppId` of main.bicep.')
param functionAppId string

@description('Flow-log containers: the output `containers` of main.bicep.')
param containers string[]

@description('Resource id of the storage account that takes events which could not be delivered: the output `hostStorageId` of main.bicep.')
param deadLetterAccountId string

@description('Container for them: the output `deadLetterContainer` of main.bicep.')
param deadLetterContainer string

// The name that the vendors' guide gives it: a subscription made by that guide on the same topic is brought to this state.
var subscriptionName = 'vnet-flowlogs-to-function'

module subscriptions 'modules/event-subscription.bicep' = [
  for (source, index) in sources: {
    name: 'event-subscription-${index}'
    scope: resourceGroup(source.subscriptionId, source.resourceGroup)
    params: {
      topicName: source.topicName
      name: subscriptionName
      functionId: '${functionAppId}/functions/FlowLogBlobCreated'
      containers: containers
      deadLetterAccountId: deadLetterAccountId
      deadLetterContainer: deadLetterContainer
    }
  }
]

@description('Resource ids of the subscriptions.')
output subscriptionIds string[] = [for (source, index) in sources: subscriptions[index].outputs.id]
