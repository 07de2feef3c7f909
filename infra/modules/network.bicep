@description('Name of the virtual network.')
param name string

@description('Region of the network: that of the function app.')
param location string

@description('Tags of the network.')
param tags object

@description('Address range of the network; it must hold two subnets of 256 addresses.')
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
          // The delegation that Flex Consumption requires; older plans use another one.
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

// The default rules of a security group already deny inbound traffic from outside the network.
resource closed 'Microsoft.Network/networkSecurityGroups@2025-01-01' = {
  name: '${name}-closed'
  location: location
  tags: tags
}

@description('Resource id of the network.')
output id string = network.id

@description('Resource id of the subnet for the function app\'s outbound traffic.')
output functionsSubnetId string = '${network.id}/subnets/functions'

@description('Resource id of the subnet for private endpoints.')
output endpointsSubnetId string = '${network.id}/subnets/endpoints'
