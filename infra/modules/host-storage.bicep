@description('Name of the storage account of the Functions host, which also keeps checkpoints and quarantined records.')
param name string

@description('Region of the account.')
param location string

@description('Tags of the account.')
param tags object

@description('Redundancy of the account.')
param skuName string

@description('Container that the published package lies in.')
param packageContainer string

@description('Container that Event Grid puts events into that could not be delivered.')
param deadLetterContainer string

@description('Table of the checkpoints: the name that the forwarder uses.')
param checkpointTable string

@description('Container of the quarantined records: the name that the forwarder uses.')
param quarantineContainer string

@description('Container of the second copy of what the sweep remembers: the name that the forwarder uses.')
param stateContainer string

@description('Whether the account is reached through private endpoints only. Event Grid keeps its way in for dead letters as a trusted service.')
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
    // Identities only: neither account keys nor signatures made with them open anything.
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // A trusted service passes the firewall only while public access is enabled and denied by default.
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
    // Quarantined records are evidence: a deleted one can be had back for two weeks.
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

@description('Address of the container that the package is published to.')
output packageUri string = '${account.properties.primaryEndpoints.blob}${packageContainer}'
