// An authorizer that mod_fcgid starts: it gets its listening socket on fd 0. Copied beside a copy of dist, where www-data can read both.
const { cgiParams, createServer } = require('./dist')

createServer({
  authorizer(req, res) {
    const { FCGI_APACHE_ROLE, REMOTE_USER } = cgiParams(req)
    res.setHeader('X-Asked', JSON.stringify({ role: FCGI_APACHE_ROLE, method: req.method, url: req.url, user: REMOTE_USER }))
    const isAllowed = req.headers.authorization === `Basic ${btoa('ada:secret')}` || FCGI_APACHE_ROLE !== 'AUTHENTICATOR'
    if (!isAllowed || req.url.includes('forbid')) res.writeHead(403)
    else res.setHeader('Variable-AUTH_NOTE', FCGI_APACHE_ROLE)
    res.end('not for the client')
  },
}).listen()
