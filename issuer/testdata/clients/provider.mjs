// oidc-provider as an issuer that the guard trusts. It says where it listens,
// and gives out tokens with whatever key the test asks for.
import http from 'node:http'
import Provider from 'oidc-provider'
import { exportJWK, generateKeyPair } from 'jose'

const [audience] = process.argv.slice(2)

async function key (kid) {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  return { ...await exportJWK(privateKey), kid, alg: 'ES256', use: 'sig' }
}

let origin
const keys = []

function provider () {
  return new Provider(origin, {
    clients: [{ client_id: 'machine', client_secret: 'machine-secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: [], id_token_signed_response_alg: 'ES256' }],
    jwks: { keys: [...keys] },
    scopes: ['read'],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({ audience, scope: 'read', accessTokenFormat: 'jwt', accessTokenTTL: 300, jwt: { sign: { alg: 'ES256' } } }),
      },
    },
    ttl: { ClientCredentials: 300 },
  })
}

let serve
const server = http.createServer(async (req, res) => {
  if (req.url === '/rotate') { // the new key alone signs; the old one is gone
    keys.splice(0, keys.length, await key(`key-${Date.now()}`))
    serve = provider().callback()
    res.writeHead(204).end()
    return
  }
  serve(req, res)
})
server.listen(0, '127.0.0.1', async () => {
  origin = `http://127.0.0.1:${server.address().port}`
  keys.push(await key('key-0'))
  serve = provider().callback()
  console.log(`ready ${origin}`)
})
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
