@description('Name of the storage account for the Functions host, checkpoints and quarantine.')
param name string

@description('Region of the account.')
param location string

@description('Tags of the account.')
param tags object

@description('Redundancy of the account.')
param skuName string

@description('Container for the published package.')
param packageContainer string

@description('Container for dead-lettered events.')
param deadLetterContainer string

@description('Table for checkpoints; the forwarder uses this name.')
param checkpointTable string

@description('Container for quarantined records; the forwarder uses this name.')
param quarantineContainer string

@description('Container for the second copy of the sweep\'s watermark; the forwarder uses this name.')
param stateContainer string

@description('Whether only private endpoints, and Event Grid as a trusted service, can reach the account.')
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
    // Allows identities only, neither account keys nor SAS tokens signed with them.
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // Trusted services pass the firewall only if public access is enabled and denied by default.
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: isPrivate ? 'Deny' : 'Allow'
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' = {
  parent: account
  name: 'default'
  properties: {
    // Deleted quarantined records can be restored for two weeks.
    deleteRetentionPolicy: {
      enabled: true
      days: 14
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: 14
    }
  }
}

resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = [
  for container in [packageContainer, deadLetterContainer, quarantineContainer, stateContainer]: {
    parent: blobs
    name: container
    properties: {
      publicAccess: 'None'
    }
  }
]

resource tables 'Microsoft.Storage/storageAccounts/tableServices@2025-01-01' = {
  parent: account
  name: 'default'
}

resource table 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-01-01' = {
  parent: tables
  name: checkpointTable
}

@description('Resource id of the account.')
output id string = account.id

@description('Name of the account.')
output name string = account.name

@description('URL of the container for the published package.')
output packageUri string = '${account.properties.primaryEndpoints.blob}${packageContainer}'
