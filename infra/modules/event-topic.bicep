@description('Name of the system topic, in the resource group of the account that it belongs to.')
param name string

@description('Whether the topic is there already, and only its identity is asked for.')
param exists bool

@description('Region of the topic: that of the account.')
param location string

@description('Tags of the topic.')
param tags object

@description('Name of the flow-log storage account whose events it carries.')
param accountName string

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: accountName
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = if (!exists) {
  name: name
  location: location
  tags: tags
  // Dead letters are written by this identity: the account that keeps them takes no keys.
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    source: account.id
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

resource present 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = if (exists) {
  name: name
}

@description('Object id of the topic\'s identity.')
output principalId string = exists ? present!.identity.principalId : topic!.identity.principalId
