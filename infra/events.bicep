metadata description = 'The event subscriptions of the flow-log accounts. Publish the function first: they refer to it.'

targetScope = 'resourceGroup'

@description('A flow-log account, from the output `sources` of main.bicep.')
type subscribedAccount = {
  @description('Name of the account.')
  name: string

  @description('Resource group of the account.')
  resourceGroup: string

  @description('Subscription id of the account.')
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

@description('Resource id of the storage account for dead-lettered events: the output `hostStorageId` of main.bicep.')
param deadLetterAccountId string

@description('Container for dead-lettered events: the output `deadLetterContainer` of main.bicep.')
param deadLetterContainer string

// The name in the vendors' guide, so that this replaces a subscription that was created by that guide.
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
