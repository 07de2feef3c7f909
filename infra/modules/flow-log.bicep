@description('Name of the region\'s Network Watcher, in the resource group that this module is deployed to.')
param watcherName string

@description('Name of the flow log.')
param name string

@description('Region of the flow log: that of the virtual network.')
param location string

@description('Tags of the flow log.')
param tags object

@description('Resource id of the virtual network, subnet or network interface whose flows are logged.')
param targetId string

@description('Resource id of the storage account that it is written to.')
param storageId string

@description('Days that the blobs are kept; 0 keeps them.')
@minValue(0)
@maxValue(365)
param retentionDays int

resource watcher 'Microsoft.Network/networkWatchers@2025-01-01' existing = {
  name: watcherName
}

resource flowLog 'Microsoft.Network/networkWatchers/flowLogs@2025-01-01' = {
  parent: watcher
  name: name
  location: location
  tags: tags
  properties: {
    enabled: true
    targetResourceId: targetId
    storageId: storageId
    format: {
      type: 'JSON'
      version: 2
    }
    retentionPolicy: {
      enabled: retentionDays > 0
      days: retentionDays
    }
  }
}
