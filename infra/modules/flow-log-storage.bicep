@description('Name of the storage account that Network Watcher is to write flow logs to.')
param name string

@description('Region of the account: that of the virtual networks whose flows are logged.')
param location string

@description('Tags of the account.')
param tags object

@description('Redundancy of the account.')
param skuName string

@description('Whether the account is reached through private endpoints only. Network Watcher keeps its way in as a trusted service.')
param isPrivate bool

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: skuName
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    // Network Watcher writes flow logs with the account's key unless the flow log has an identity of its own.
    allowSharedKeyAccess: true
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: isPrivate ? 'Deny' : 'Allow'
    }
  }
}

@description('Name of the account.')
output name string = account.name
