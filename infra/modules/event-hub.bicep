@description('Name of the namespace.')
param namespaceName string

@description('Name of the event hub.')
param hubName string

@description('Region of the namespace.')
param location string

@description('Tags of the namespace.')
param tags object

@description('Tier of the namespace. Basic is not supported: its messages have at most 256 KB, and it has no consumer groups.')
@allowed(['Standard', 'Premium'])
param skuName string

@description('Initial throughput units (Standard: 1 MB/s in and 2 MB/s out each) or processing units (Premium).')
@minValue(1)
@maxValue(40)
param capacity int

@description('Maximum throughput units for auto-inflate, Standard only; 0 turns it off.')
@minValue(0)
@maxValue(40)
param maximumCapacity int

@description('Partitions of the hub. In Standard, the number can\'t be changed later.')
@minValue(1)
@maxValue(100)
param partitionCount int

@description('Message retention, hours: at most 168 for Standard, 2160 for Premium.')
@minValue(1)
@maxValue(2160)
param retentionHours int

@description('Consumer group to create for the SIEM; empty for the default group only.')
param consumerGroup string

@description('Whether to create an authorization rule with a listen key, for a SIEM that can\'t use an identity. Otherwise, key authentication is disabled for the namespace.')
param createListenRule bool

@description('Whether only private endpoints can reach the namespace.')
param isPrivate bool

var inflates = skuName == 'Standard' && maximumCapacity > capacity

resource namespace 'Microsoft.EventHub/namespaces@2024-01-01' = {
  name: namespaceName
  location: location
  tags: tags
  sku: {
    name: skuName
    tier: skuName
    capacity: capacity
  }
  properties: {
    minimumTlsVersion: '1.2'
    disableLocalAuth: !createListenRule
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    isAutoInflateEnabled: inflates
    maximumThroughputUnits: inflates ? maximumCapacity : 0
  }
}

resource hub 'Microsoft.EventHub/namespaces/eventhubs@2024-01-01' = {
  parent: namespace
  name: hubName
  properties: {
    partitionCount: partitionCount
    retentionDescription: {
      cleanupPolicy: 'Delete'
      retentionTimeInHours: retentionHours
    }
  }
}

resource group 'Microsoft.EventHub/namespaces/eventhubs/consumergroups@2024-01-01' = if (!empty(consumerGroup)) {
  parent: hub
  name: empty(consumerGroup) ? '$Default' : consumerGroup
}

resource listen 'Microsoft.EventHub/namespaces/eventhubs/authorizationRules@2024-01-01' = if (createListenRule) {
  parent: hub
  name: 'siem-listen'
  properties: {
    rights: ['Listen']
  }
}

@description('Resource id of the namespace.')
output namespaceId string = namespace.id
