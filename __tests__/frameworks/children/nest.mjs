// NestJS is written with decorators, which this node has not got: `decorate` applies them as the compiler would.
import 'reflect-metadata'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Body, Catch, Controller, Get, HttpCode, Module, Param, Post, Query, Redirect, Req, Res, StreamableFile } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { ExpressAdapter } from '@nestjs/platform-express'
import { attach, createServer, listen } from 'express-fastcgi'
import { departures, digest, folder, halves, parseCookies, pieces, release } from './common.mjs'

class AppController {}
const methods = {
  hello: [[Get('hello')], [], () => 'hello'],
  query: [[Get('query')], [Query()], (query) => query],
  user: [[Get('users/:name')], [Param()], (params) => params],
  json: [[Post('json'), HttpCode(200)], [Body()], (body) => body],
  form: [[Post('form'), HttpCode(200)], [Body()], (body) => body],
  upload: [[Post('upload'), HttpCode(200)], [Req()], (req) => digest(req)],
  download: [[Get('download')], [], () => new StreamableFile(Readable.from(pieces()))],
  stream: [[Get('stream')], [Res()], (res) => pipeline(Readable.from(halves()), res)],
  release: [[Post('release')], [], () => String(release())],
  cookies: [[Get('cookies')], [Req(), Res({ passthrough: true })], (req, res) => {
    res.cookie('a', '1').cookie('b', '2', { httpOnly: true }).cookie('c', '3').cookie('d', '4')
    return parseCookies(req.headers.cookie)
  }],
  multiple: [[Get('multiple')], [Req(), Res()], (req, res) => {
    res.append('Link', '</a>; rel=preload').append('Link', '</b>; rel=preload').json(req.get('x-several'))
  }],
  relative: [[Get('redirect/relative'), Redirect('../hello')], [], () => undefined],
  absolute: [[Get('redirect/absolute'), Redirect()], [Req()], (req) => ({ url: `${req.protocol}://${req.get('host')}/hello`, statusCode: 301 })],
  throw: [[Get('throw')], [], () => {
    throw new Error('thrown')
  }],
  reject: [[Get('reject')], [], async () => {
    throw new Error('rejected')
  }],
  client: [[Get('client')], [Req()], (req) => ({ ip: req.ip, isSecure: req.secure, protocol: req.protocol, hostname: req.hostname })],
  hang: [[Get('hang')], [Res()], (res) => {
    res.on('close', () => departures.push(res.writableFinished ? 'finished' : 'close'))
    res.write('hanging\n')
  }],
  departures: [[Get('departures')], [], () => departures],
}
for (const [name, [decorators, parameters, value]] of Object.entries(methods)) {
  const descriptor = { value, writable: true, enumerable: false, configurable: true }
  Object.defineProperty(AppController.prototype, name, descriptor)
  for (const [index, parameter] of parameters.entries()) parameter(AppController.prototype, name, index)
  for (const decorator of decorators) decorator(AppController.prototype, name, descriptor)
}
Controller()(AppController)

class MountedController {
  inside(req) {
    return ['/mounted', req.url.slice('/mounted'.length), req.originalUrl]
  }
}
Req()(MountedController.prototype, 'inside', 0)
Get('inside')(MountedController.prototype, 'inside', Object.getOwnPropertyDescriptor(MountedController.prototype, 'inside'))
Controller('mounted')(MountedController)

class Filter {
  catch(error, host) {
    host.switchToHttp().getResponse().status(error.getStatus?.() ?? 500).json({ error: error.message })
  }
}
Catch()(Filter)

class AppModule {}
Module({ controllers: [AppController, MountedController] })(AppModule)

async function application(adapter) {
  const app = await NestFactory.create(AppModule, adapter, { logger: ['fatal', 'error'] })
  app.useBodyParser('json', { limit: '2mb' })
  app.useStaticAssets(folder, { prefix: '/files' })
  app.useGlobalFilters(new Filter())
  return app
}

/** Nest's own server is closed by Nest; where another serves its application, both are to be closed. */
async function closeBoth(app, server) {
  await Promise.all([app.close(), new Promise((resolve) => server.close(resolve))])
}

export const ways = {
  own: async (port, ready) => {
    const app = await application(new ExpressAdapter())
    await app.listen(port)
    ready()
    return app
  },
  listen: async (port, ready) => {
    const app = await application(new ExpressAdapter())
    await app.init()
    listen(app.getHttpServer(), port, ready)
    return app
  },
  createServer: async (port, ready) => {
    const app = await application(new ExpressAdapter())
    await app.init()
    const server = createServer(app.getHttpAdapter().getInstance()).listen(port, ready)
    return { close: () => closeBoth(app, server) }
  },
  attach: async (port, ready) => {
    const app = await application(new ExpressAdapter())
    attach(app.getHttpServer())
    await app.listen(port)
    ready()
    return app
  },
}
export const close = (app) => app.close()
