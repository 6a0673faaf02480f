// oauth4webapi as a client: every grant, refresh, introspection, revocation,
// DPoP with nonces, and its own check of RFC 9068 access tokens.
import * as oauth from 'oauth4webapi'
import { assert, billing, issuer, login, mobile } from './check.mjs'

const as = await oauth.processDiscoveryResponse(new URL(issuer),
  await oauth.discoveryRequest(new URL(issuer), { algorithm: 'oauth2' }))
assert.equal(as.token_endpoint, `${issuer}/auth/token`)

const client = { client_id: mobile.id }
const auths = [oauth.ClientSecretBasic(mobile.secret), oauth.ClientSecretPost(mobile.secret)]

// once runs a request again when the server asks for a nonce, as a client must.
async function once (request, process) {
  try {
    return await process(await request())
  } catch (err) {
    if (!oauth.isDPoPNonceError(err)) throw err
    return await process(await request())
  }
}

for (const auth of auths) {
  for (const bound of [false, true]) {
    const DPoP = bound ? oauth.DPoP(client, await oauth.generateKeyPair('ES256')) : undefined
    const first = await once(
      () => oauth.genericTokenEndpointRequest(as, client, auth, 'password', new URLSearchParams(login), { DPoP }),
      (res) => oauth.processGenericTokenEndpointResponse(as, client, res))
    assert.equal(first.token_type, bound ? 'dpop' : 'bearer')

    const second = await once(
      () => oauth.refreshTokenGrantRequest(as, client, auth, first.refresh_token, { DPoP }),
      (res) => oauth.processRefreshTokenResponse(as, client, res))
    assert.notEqual(second.refresh_token, first.refresh_token)

    const items = await once(
      () => oauth.protectedResourceRequest(second.access_token, 'GET', new URL(`${issuer}/items`), undefined, undefined, { DPoP }),
      (res) => res)
    assert.equal(await items.text(), 'items of alice')

    if (!bound) {
      const claims = await oauth.validateJwtAccessToken(as,
        new Request(`${issuer}/items`, { headers: { authorization: `Bearer ${second.access_token}` } }), 'api.example.com')
      assert.equal(claims.client_id, mobile.id)
    }

    const active = await introspect(second.access_token)
    assert.equal(active.active, true)
    assert.equal(active.sub, login.username)

    await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, second.refresh_token))
    assert.equal((await introspect(second.access_token)).active, false)
    await assert.rejects(async () => once(
      () => oauth.refreshTokenGrantRequest(as, client, auth, second.refresh_token, { DPoP }),
      (res) => oauth.processRefreshTokenResponse(as, client, res)),
    (err) => err.error === 'invalid_grant')
  }
}

async function introspect (token) {
  const who = { client_id: billing.id }
  const auth = oauth.ClientSecretBasic(billing.secret)
  return oauth.processIntrospectionResponse(as, who, await oauth.introspectionRequest(as, who, auth, token))
}

const machine = await oauth.processClientCredentialsResponse(as, { client_id: billing.id },
  await oauth.clientCredentialsGrantRequest(as, { client_id: billing.id }, oauth.ClientSecretBasic(billing.secret), { scope: 'read' }))
assert.equal(machine.scope, 'read')

await assert.rejects(async () => oauth.processClientCredentialsResponse(as, { client_id: billing.id },
  await oauth.clientCredentialsGrantRequest(as, { client_id: billing.id }, oauth.ClientSecretBasic('wrong'), {})))
