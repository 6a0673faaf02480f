// The dpop package makes proofs for whoever does the requests by hand.
import * as DPoP from 'dpop'
import { assert, issuer, login } from './check.mjs'

const keys = await DPoP.generateKeyPair('Ed25519')

async function call (method, url, init = {}, token) {
  let nonce
  for (let tries = 0; tries < 2; tries++) {
    const headers = { ...init.headers, DPoP: await DPoP.generateProof(keys, url, method, nonce, token) }
    if (token) headers.authorization = `DPoP ${token}`
    const res = await fetch(url, { ...init, method, headers })
    nonce = res.headers.get('dpop-nonce')
    if (res.status !== 400 && res.status !== 401) return res
    assert.ok(nonce, 'a refusal without a nonce')
  }
  throw new Error('refused with a fresh nonce')
}

const res = await call('POST', `${issuer}/auth/token`, { body: new URLSearchParams({ grant_type: 'password', ...login }) })
const tokens = await res.json()
assert.equal(tokens.token_type, 'DPoP')
const items = await call('GET', `${issuer}/items`, {}, tokens.access_token)
assert.equal(await items.text(), 'items of alice')
const stolen = await fetch(`${issuer}/items`, { headers: { authorization: `Bearer ${tokens.access_token}` } })
assert.equal(stolen.status, 401)
