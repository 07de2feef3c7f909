@description('Name of the endpoint.')
param name string

@description('Region of the endpoint: that of its network.')
param location string

@description('Tags of the endpoint.')
param tags object

@description('Resource id of the endpoint\'s subnet.')
param subnetId string

@description('Resource id of the target.')
param targetId string

@description('Service of the target: `blob`, `table` or `namespace`.')
param groupId string

@description('Resource id of the private DNS zone; empty if the network\'s owner manages DNS records.')
param zoneId string

resource endpoint 'Microsoft.Network/privateEndpoints@2025-01-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    subnet: {
      id: subnetId
    }
    privateLinkServiceConnections: [
      {
        name: name
        properties: {
          privateLinkServiceId: targetId
          groupIds: [groupId]
        }
      }
    ]
  }
}

resource names 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-01-01' = if (!empty(zoneId)) {
  parent: endpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: groupId
        properties: {
          privateDnsZoneId: zoneId
        }
      }
    ]
  }
}
