// A session with Wiretight's issuer, for pages without a framework.
//
// Neither localStorage nor any other place that outlives the page holds a
// token. The refresh token is in a cookie that no script can read. The access
// token is in a variable of this module, or with access_cookie in a cookie too.
//
// A refresh token is good for one use, so of all tabs one at a time may use it.
// The browser's own lock sees to that, and the channel tells the other tabs.

const lock = 'wiretight-session'
const channel = new BroadcastChannel(lock)

let access = null // the access token, unless it is in a cookie
let type = 'Bearer'
let renewed = 0 // when the cookies were last renewed, by any tab
const listeners = new Set()

channel.onmessage = ({ data }) => {
  if (data.renewed) renewed = Math.max(renewed, data.renewed)
  if (data.ended) forget()
}

/** onEnd calls listener when the session has ended, here or in another tab. */
export function onEnd (listener) { listeners.add(listener) }

function forget () {
  access = null
  for (const listener of listeners) listener()
}

function keep (answer) {
  access = answer.access_token ?? null
  type = answer.token_type
  renewed = Date.now()
  channel.postMessage({ renewed })
}

/** login returns null, or what is wrong as a text for people. */
export async function login (username, password) {
  return navigator.locks.request(lock, async () => {
    const res = await fetch('/auth/login', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ username, password }),
    })
    const answer = await res.json()
    if (!res.ok) {
      const wait = res.headers.get('Retry-After')
      return answer.detail + (wait ? `; try again in ${wait} s` : '')
    }
    keep(answer)
    return null
  })
}

/**
 * refresh renews the session and tells whether there is one. It does nothing
 * if another tab has renewed the cookie of the access token since `since`.
 */
export async function refresh (since = Date.now()) {
  return navigator.locks.request(lock, async () => {
    if (access === null && renewed > since) return true
    const res = await fetch('/auth/refresh', { method: 'POST' })
    if (res.status === 401) {
      channel.postMessage({ ended: true })
      forget()
      return false
    }
    if (!res.ok) throw new Error(`refresh: ${res.status}`) // try again later
    keep(await res.json())
    return true
  })
}

/** call is fetch with the session; it renews the session once if it must. */
export async function call (path, init = {}) {
  const began = Date.now()
  const send = () => {
    const headers = new Headers(init.headers)
    if (access) headers.set('Authorization', `${type} ${access}`)
    return fetch(path, { ...init, headers })
  }
  const res = await send()
  if (res.status !== 401 || !await refresh(began)) return res
  return send()
}

/** logout ends the session on the server, and in every tab. */
export async function logout () {
  return navigator.locks.request(lock, async () => {
    const res = await fetch('/auth/logout', { method: 'POST', headers: access ? { Authorization: `${type} ${access}` } : {} })
    if (!res.ok) throw new Error(`logout: ${res.status}`) // still logged in
    channel.postMessage({ ended: true })
    forget()
  })
}
