// What h2o is documented to do otherwise than node:http: docs/servers/h2o.md has the same table.
import { bodiesCollected, handedOn, type Limits } from '../conformance/limits'

export const h2oLimits: Limits = {
  exchanges: {
    'http-1.0-without-host': {
      because: 'h2o sends the name of the host in its configuration',
      differs: { 'seen.headers.host': 'example.org', 'seen.host': 'example.org', 'seen.hostname': 'example.org' },
    },
    'cookies-repeated': { because: 'h2o joins them without a blank', differs: { 'seen.headers.cookie': 'a=1;b=2; c=3' } },
    'upgrade-h2c': { because: 'h2o keeps Upgrade to itself', differs: { 'seen.headers.upgrade': undefined } },
    'expect-100-continue': { because: 'h2o answers the expectation and keeps it to itself', differs: { 'seen.headers.expect': undefined } },
    'length-and-chunked': {
      because: 'node refuses a body with two lengths; h2o decides for the chunks, and the application sees the length of what came',
      differs: handedOn('POST', { 'content-length': '0' }),
    },
    ...bodiesCollected('h2o collects a body before it calls the application'),
    'date-and-server': {
      because: 'h2o has a Date of its own and adds its own Server',
      differs: { date: expect.any(String), server: ['h2o/2.2.5', 'mine/1.0'] },
    },
    'kept-connection': {
      because: 'h2o closes the connection of its client after an answer without Content-Length whose status is not 200',
      differs: { connections: 3 },
    },
    'client-leaves-while-application-computes': {
      because: 'h2o notices that its client left when it writes to it',
      differs: { writableEnded: true },
      neverComes: true,
    },
    'answer-cut': { because: 'h2o takes the end of the connection for the end of an answer without Content-Length', differs: { complete: true } },
  },
}
