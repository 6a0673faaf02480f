import * as session from './session.js'

const $ = (id) => document.getElementById(id)

function show (inside) {
  $('outside').hidden = inside
  $('inside').hidden = !inside
  $('answer').textContent = ''
}

session.onEnd(() => show(false))

$('login').addEventListener('submit', async (event) => {
  event.preventDefault()
  const problem = await session.login($('username').value, $('password').value)
  $('password').value = ''
  $('problem').textContent = problem ?? ''
  if (problem === null) show(true)
})

$('call').addEventListener('click', async () => {
  const res = await session.call('/items')
  $('answer').textContent = res.ok ? await res.text() : `refused: ${res.status}`
})

$('logout').addEventListener('click', () => session.logout())

// A tab that was opened later finds the session in the cookie.
show(await session.refresh())
document.body.dataset.ready = 'true'
