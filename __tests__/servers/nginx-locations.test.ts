// Locations as people write them who come from PHP: under a prefix, with `alias`, with PATH_INFO split off, behind `rewrite`. All send a
// SCRIPT_NAME and a SCRIPT_FILENAME of their own; what the client asked for is in REQUEST_URI all the same.
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import type http from 'node:http'
import { join } from 'node:path'
import express from 'express'
import { cgiParams, createServer } from 'express-fastcgi'
import { newFolder } from '../support/daemon'
import { request, requestJson } from '../support/http-get'
import { describeWith } from '../support/need'
import { type Nginx, startNginx } from '../support/nginx'

describeWith('nginx', 'an application under /shop in locations of nginx', () => {
  const folder = newFolder('nginx')
  const app = express()
  app.get('/go', (req, res) => res.redirect(`${req.baseUrl}/there`))
  app.use((req, res) => {
    const { SCRIPT_NAME, SCRIPT_FILENAME } = cgiParams(req)
    res.json({ url: req.url, originalUrl: req.originalUrl, baseUrl: req.baseUrl, script: SCRIPT_NAME, file: SCRIPT_FILENAME })
  })
  let server: http.Server
  let nginx: Nginx

  // In each the application is the same one.
  const LOCATIONS = {
    'a prefix': 'location /shop/ { PASS }',
    'a prefix that ends without a slash': 'location /shop { PASS }',
    'an exact prefix first': 'location ^~ /shop/ { PASS } location ~ \\.php$ { return 403; }',
    'an alias': 'location /shop/ { alias /srv/elsewhere/public/; fastcgi_param SCRIPT_FILENAME $request_filename; PASS }',
    'an alias of a pattern': 'location ~ ^/shop/(.*)$ { alias /srv/elsewhere/$1; fastcgi_param SCRIPT_FILENAME $request_filename; PASS }',
    'PATH_INFO split off': 'location ~ ^/shop(/|$) { fastcgi_split_path_info ^(/shop)(/.*)$; fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name; fastcgi_param PATH_INFO $fastcgi_path_info; PASS }',
    'a rewrite to a script': 'location /shop/ { rewrite ^ /index.js last; } location = /index.js { internal; fastcgi_param SCRIPT_FILENAME /srv/app/index.js; PASS }',
    'try_files': 'location /shop/ { root /srv/nothing; try_files $uri @app; } location @app { PASS }',
  } as const
  const names = Object.keys(LOCATIONS) as (keyof typeof LOCATIONS)[]

  beforeAll(async () => {
    server = createServer({ mount: '/shop' }, app).listen(join(folder, 'app.sock'))
    await once(server, 'listening')
    const pass = `include fastcgi_params; fastcgi_pass unix:${folder}/app.sock;`
    nginx = await startNginx({
      folder,
      ports: names.length,
      http: (ports) => names.map((name, i) => `server { listen 127.0.0.1:${ports[i]}; root /srv/www; ${LOCATIONS[name].replace('PASS', pass)} }`).join('\n'),
    })
  })

  afterAll(async () => {
    await nginx.stop()
    server.close().closeAllConnections()
    rmSync(folder, { recursive: true, force: true })
  })

  describe.each(names)('%s', (name) => {
    const port = (): number => nginx.ports[names.indexOf(name)]!

    it.each(['/shop/a%2Fb/caf%C3%A9?x=%20&y', '/shop/', '/shop/a.php/b'])('%s arrives as it was asked for', async (path) => {
      expect(await requestJson(port(), path)).toMatchObject({ url: path.slice('/shop'.length), originalUrl: path, baseUrl: '/shop' })
    })

    it('a redirect stays in the application', async () => {
      const { status, headers } = await request(port(), '/shop/go')
      expect([status, headers.location]).toEqual([302, '/shop/there'])
    })
  })

  it('SCRIPT_NAME and SCRIPT_FILENAME do lie in some of them', async () => {
    const scripts = await Promise.all(
      names.map(async (_name, i) => {
        const { script, file } = await requestJson(nginx.ports[i]!, '/shop/x')
        return [script, file]
      }),
    )
    expect(Object.fromEntries(names.map((name, i) => [name, scripts[i]]))).toMatchObject({
      'an alias': ['/shop/x', '/srv/elsewhere/public/x'],
      'PATH_INFO split off': ['/shop', '/srv/www/shop'],
      'a rewrite to a script': ['/index.js', '/srv/app/index.js'],
    })
  })
})
