@description('Name of the virtual network.')
param name string

@description('Region of the network: that of the function app.')
param location string

@description('Tags of the network.')
param tags object

@description('Address range of the network, with room for two subnets of 256 addresses.')
param addressPrefix string

resource network 'Microsoft.Network/virtualNetworks@2025-01-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [addressPrefix]
    }
    subnets: [
      {
        name: 'functions'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 24, 0)
          // Flex Consumption integrates with subnets of this delegation, unlike the older plans.
          delegations: [
            {
              name: 'functions'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
          networkSecurityGroup: {
            id: closed.id
          }
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 24, 1)
          privateEndpointNetworkPolicies: 'Enabled'
          networkSecurityGroup: {
            id: closed.id
          }
        }
      }
    ]
  }
}

// Nothing from outside the network comes in: the rules that every group has by default say so already.
resource closed 'Microsoft.Network/networkSecurityGroups@2025-01-01' = {
  name: '${name}-closed'
  location: location
  tags: tags
}

@description('Resource id of the network.')
output id string = network.id

@description('Resource id of the subnet for the function app\'s outgoing traffic.')
output functionsSubnetId string = '${network.id}/subnets/functions'

@description('Resource id of the subnet for private endpoints.')
output endpointsSubnetId string = '${network.id}/subnets/endpoints'
