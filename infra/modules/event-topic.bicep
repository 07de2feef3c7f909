@description('Name of the system topic, in the resource group of its account.')
param name string

@description('Whether the topic exists; then only its identity is read.')
param exists bool

@description('Region of the topic: that of the account.')
param location string

@description('Tags of the topic.')
param tags object

@description('Name of the flow-log storage account that raises the events.')
param accountName string

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: accountName
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = if (!exists) {
  name: name
  location: location
  tags: tags
  // Writes dead letters: their storage account refuses keys.
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
