@description('Name of the storage account for flow logs.')
param name string

@description('Region of the account: that of the logged virtual networks.')
param location string

@description('Tags of the account.')
param tags object

@description('Redundancy of the account.')
param skuName string

@description('Whether only private endpoints, and Network Watcher as a trusted service, can reach the account.')
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
    // Network Watcher uses the account's key unless the flow log has an identity.
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
