// jose verifies our tokens from our key set, over a rotation of the keys.
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import { assert, billing, issuer, rotate } from './check.mjs'

const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`))

async function token () {
  const res = await fetch(`${issuer}/auth/token`, {
    method: 'POST',
    headers: { authorization: 'Basic ' + btoa(`${billing.id}:${billing.secret}`) },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  })
  return (await res.json()).access_token
}

const verify = (raw) => jwtVerify(raw, keys, {
  issuer, audience: 'api.example.com', typ: 'at+jwt', algorithms: ['ES256'],
  requiredClaims: ['iss', 'sub', 'aud', 'exp', 'iat', 'jti', 'client_id'],
})

const before = await token()
assert.equal((await verify(before)).payload.sub, billing.id)
await rotate()
const after = await token()
assert.notEqual(decodeProtectedHeader(after).kid, decodeProtectedHeader(before).kid)
// The new key was in the set that was fetched before it signed.
let fetched = 0
const fetchNow = globalThis.fetch
globalThis.fetch = (...args) => { fetched++; return fetchNow(...args) }
await verify(after)
await verify(before)
assert.equal(fetched, 0)
