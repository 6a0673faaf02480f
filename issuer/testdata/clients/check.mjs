// What every script here uses: what the test tells it, and one way to fail.
import assert from 'node:assert/strict'

const [issuer, control] = process.argv.slice(2)

export { assert, issuer, control }
export const mobile = { id: 'mobile', secret: 'mobile+secret/0123456789' }
export const billing = { id: 'billing', secret: 'billing-secret-0123456789' }
export const login = { username: 'alice', password: 'correct horse battery' }

// rotate makes the issuer sign with its next key.
export async function rotate() {
  const res = await fetch(`${control}/rotate`, { method: 'POST' })
  assert.equal(res.status, 204)
}
