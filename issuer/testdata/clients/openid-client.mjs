// openid-client as a client, which most Node applications use.
import * as client from 'openid-client'
import { assert, billing, issuer, login, mobile } from './check.mjs'

const options = { algorithm: 'oauth2' }
const config = await client.discovery(new URL(issuer), mobile.id, undefined, client.ClientSecretBasic(mobile.secret), options)
const machine = await client.discovery(new URL(issuer), billing.id, undefined, client.ClientSecretPost(billing.secret), options)

const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair())
const first = await client.genericGrantRequest(config, 'password', login, { DPoP })
assert.equal(first.token_type, 'dpop')
const second = await client.refreshTokenGrant(config, first.refresh_token, undefined, { DPoP })
const items = await client.fetchProtectedResource(config, second.access_token, new URL(`${issuer}/items`), 'GET', null, undefined, { DPoP })
assert.equal(await items.text(), 'items of alice')

assert.equal((await client.tokenIntrospection(machine, second.access_token)).cnf.jkt, await DPoP.calculateThumbprint())
await client.tokenRevocation(config, second.refresh_token)
assert.equal((await client.tokenIntrospection(machine, second.access_token)).active, false)

const own = await client.clientCredentialsGrant(machine, { scope: 'read' })
assert.equal((await client.tokenIntrospection(machine, own.access_token)).client_id, billing.id)
