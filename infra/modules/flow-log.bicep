@description('Name of the region\'s Network Watcher, in the resource group of this module\'s deployment.')
param watcherName string

@description('Name of the flow log.')
param name string

@description('Region of the flow log: that of the virtual network.')
param location string

@description('Tags of the flow log.')
param tags object

@description('Resource id of the virtual network, subnet or network interface to log.')
param targetId string

@description('Resource id of the storage account for the flow log.')
param storageId string

@description('Retention of the blobs, days; 0 keeps them forever.')
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
