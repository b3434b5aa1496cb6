// What a visitor sees, in a real browser: the site behind FastCGI, with the gateway in front and with real nginx.
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Browser, type Locator, type Page } from 'playwright-core'
import { pino } from 'pino'
import { type Demo, start, type StartOptions } from '../../demo-app/start'
import { launchBrowser, openPage, type PageOptions, type WatchedPage } from '../support/browser'
import { describeWith } from '../support/need'

const MEBIBYTE = 1024 * 1024

const pages = [
  ['/', 'Request', 'The request, twice'],
  ['/upload', 'Upload', 'Upload, watched from both ends'],
  ['/live', 'Live', 'Live, two events a second'],
  ['/download', 'Download', 'Download, at your pace'],
  ['/echo', 'Echo', 'Echo, over a WebSocket'],
  ['/session', 'Session', 'Session and cookies'],
  ['/errors', 'Errors', 'Errors, on purpose'],
] as const

const text = async (page: Page, selector: string): Promise<string> => (await page.locator(selector).innerText()).trim()

/** Waits until an element says something that matches, and returns it. */
async function untilText(page: Page, selector: string, pattern: RegExp): Promise<string> {
  await page.locator(selector).filter({ hasText: pattern }).waitFor()
  return text(page, selector)
}

/** The value beside a name in one of the inspector's columns. */
const cell = (page: Page, column: 'request' | 'variables', name: string): Promise<string> => {
  const row: Locator = page.locator(`#${column} tr`).filter({ has: page.locator('th').filter({ hasText: new RegExp(`^${name}( from .*)?$`) }) })
  return row.locator('td').innerText()
}

// What runs in the page is written as text: the tests are compiled without the types of a browser.

/** Every value a progress bar takes from now on. */
async function recordProgress(page: Page, id: string): Promise<() => Promise<number[]>> {
  await page.evaluate(`{
    const values = globalThis['values of ${id}'] = []
    const bar = document.getElementById('${id}')
    new MutationObserver(() => values.push(bar.value)).observe(bar, { attributeFilter: ['value'] })
  }`)
  return () => page.evaluate<number[]>(`globalThis['values of ${id}']`)
}

function visit(front: StartOptions['front'], serverSoftware: RegExp): void {
  const folder = mkdtempSync(path.join(tmpdir(), 'express-fastcgi-pages-'))
  let demo: Demo
  let browser: Browser
  const cleanUp: (() => Promise<void>)[] = []
  const open: WatchedPage[] = []

  const newPage = async (options?: PageOptions): Promise<WatchedPage> => {
    const watched = await openPage(browser, demo.url, options)
    open.push(watched)
    return watched
  }

  beforeAll(async () => {
    const [started, launched] = await Promise.all([start({ port: 0, front, logger: pino({ level: 'silent' }) }), launchBrowser()])
    demo = started
    browser = launched
    cleanUp.push(() => browser.close(), () => demo.close())
  }, 60_000)
  afterEach(() => Promise.all(open.splice(0).map(({ page }) => page.context().close())))
  afterAll(async () => {
    for (const step of cleanUp) await step()
    rmSync(folder, { recursive: true, force: true })
  })

  describe('every page', () => {
    it.each(pages)('%s renders without a complaint from the browser', async (url, section, title) => {
      const { page, problems } = await newPage()
      await page.goto(url, { waitUntil: 'load' })
      expect(await text(page, 'h1')).toBe(title)
      expect(await text(page, 'nav [aria-current=page]')).toBe(section)
      expect(await text(page, 'footer')).toMatch(serverSoftware)
      expect(problems).toEqual([])
    })
  })

  // The style sheet is the same whoever passes it on.
  if (front === 'gateway') {
    describe('every page', () => {
      it.each(pages)('%s fits a phone', async (url) => {
        const { page } = await newPage({ width: 360 })
        await page.goto(url)
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360)
      })

      it('is dark where the system is', async () => {
        const background = async (colorScheme: 'light' | 'dark'): Promise<string> => {
          const { page } = await newPage({ colorScheme })
          await page.goto('/')
          return page.evaluate<string>('getComputedStyle(document.body).backgroundColor')
        }
        expect(await background('light')).toBe('rgb(245, 247, 248)')
        expect(await background('dark')).toBe('rgb(13, 18, 22)')
      })
    })
  }

  describe('echo', () => {
    const say = async (page: Page, message: string): Promise<void> => {
      await page.fill('#say input', message)
      await page.click('#say button')
    }

    if (front === 'gateway') {
      it('brings back what is said, over one connection', async () => {
        const { page, problems } = await newPage()
        const sockets: string[] = []
        page.on('websocket', (socket) => sockets.push(socket.url()))
        await page.goto('/echo')
        for (const message of ['hello', 'ü']) {
          await say(page, message)
          await untilText(page, '#answer', new RegExp(`^${message}$`))
        }
        expect(await text(page, '#state')).toBe('connected')
        expect(sockets).toEqual([`ws://127.0.0.1:${demo.port}/echo/socket`])
        expect(problems).toEqual([])
      })
    } else {
      it('says that no WebSocket gets through', async () => {
        const { page } = await newPage()
        await page.goto('/echo')
        await say(page, 'hello')
        await untilText(page, '#state', /^no WebSocket gets through here$/)
      })
    }
  })

  describe('request inspector', () => {
    it('shows what Express sees beside what crossed FastCGI', async () => {
      const { page } = await newPage()
      await page.goto('/?tag=one&tag=two')
      expect(await cell(page, 'request', 'req.method')).toBe('GET')
      expect(await cell(page, 'variables', 'REQUEST_METHOD')).toBe('GET')
      expect(await cell(page, 'request', 'req.originalUrl')).toBe('/?tag=one&tag=two')
      expect(await cell(page, 'variables', 'REQUEST_URI')).toBe('/?tag=one&tag=two')
      expect(await cell(page, 'request', 'req.query')).toBe('{"tag":["one","two"]}')
      expect(await cell(page, 'variables', 'QUERY_STRING')).toBe('tag=one&tag=two')
      expect(await cell(page, 'request', 'req.ip')).toBe('127.0.0.1')
      expect(await cell(page, 'variables', 'REMOTE_ADDR')).toBe('127.0.0.1')
      expect(await cell(page, 'request', 'req.socket.localPort')).toBe(String(demo.port))
      expect(await cell(page, 'variables', 'SERVER_PORT')).toBe(String(demo.port))
      expect(await cell(page, 'request', 'host')).toBe(`127.0.0.1:${demo.port}`)
      expect(await cell(page, 'variables', 'HTTP_HOST')).toBe(`127.0.0.1:${demo.port}`)
      expect(await cell(page, 'request', 'req.socket.remotePort')).toBe(await cell(page, 'variables', 'REMOTE_PORT'))
      expect(await cell(page, 'request', 'user-agent')).toBe(await page.evaluate('navigator.userAgent'))
      expect(await cell(page, 'variables', 'SERVER_SOFTWARE')).toMatch(serverSoftware)
    })

    it('lights up the variable a line comes from', async () => {
      const { page } = await newPage()
      await page.goto('/')
      await page.locator('#request tr').filter({ hasText: 'req.ip' }).hover()
      expect(await page.locator('#variables tr.lit th').allInnerTexts()).toEqual(['REMOTE_ADDR'])
    })

    it('sends other requests: any method, path, header and body', async () => {
      const { page, problems } = await newPage()
      await page.goto('/')
      await page.locator('#trial summary').click()
      await page.getByLabel('Method').selectOption('PATCH')
      await page.getByRole('button', { name: 'Send' }).click()
      expect(await text(page, '#body pre')).toBe('{"a": 1}')
      expect(await cell(page, 'request', 'req.method')).toBe('PATCH')
      expect(await cell(page, 'request', 'req.originalUrl')).toBe('/inspect/caf%C3%A9/a%2Fb?tag=one&tag=two')
      expect(await cell(page, 'variables', 'REQUEST_URI')).toBe('/inspect/caf%C3%A9/a%2Fb?tag=one&tag=two')
      expect(await cell(page, 'variables', 'CONTENT_LENGTH')).toBe('8')
      expect(await cell(page, 'request', 'x-greeting')).toBe('hello, wire')
      expect(await cell(page, 'variables', 'HTTP_X_GREETING')).toBe('hello, wire')
      expect(problems).toEqual([])
    })
  })

  describe('upload', () => {
    it('moves both bars and shows the hash of what was sent', async () => {
      const { page, problems } = await newPage()
      await page.goto('/upload')
      // More than the buffers on the way hold, so that the slow application slows the browser down.
      const buffer = Buffer.alloc(24 * MEBIBYTE, 'FastCGI 1.0 ')
      writeFileSync(path.join(folder, 'sample.bin'), buffer)
      await page.getByLabel('The application reads').selectOption('16')
      const bars = await Promise.all([recordProgress(page, 'sent'), recordProgress(page, 'received')])
      await page.locator('input[type=file]').setInputFiles(path.join(folder, 'sample.bin'))
      await untilText(page, '#state', /^complete$/)
      expect(await text(page, '#sha256')).toBe(createHash('sha256').update(buffer).digest('hex'))
      expect(await text(page, '#size')).toBe('24.0 MiB')
      for (const bar of bars) {
        const values = await bar()
        const between = values.filter((value) => value > 0 && value < buffer.length)
        expect(new Set(between).size).toBeGreaterThanOrEqual(2)
        expect(values).toEqual([...values].sort((a, b) => a - b))
        expect(values.at(-1)).toBe(buffer.length)
      }
      expect(problems).toEqual([])
    })

    it('that is cancelled is seen by the application', async () => {
      const { page } = await newPage()
      await page.goto('/upload')
      await page.getByLabel('The application reads').selectOption('4')
      await page.getByRole('button', { name: '64 MiB' }).click()
      await page.locator('#received:not([value="0"])').waitFor()
      await page.getByRole('button', { name: 'Cancel' }).click()
      expect(await untilText(page, '#state', /application saw it/)).toMatch(/^cancelled; the application saw it after [\d.]+ .?i?B/)
    })
  })

  describe('live', () => {
    it('draws one more point for every event', async () => {
      const { page, problems } = await newPage()
      await page.goto('/live')
      await untilText(page, '#count', /^([3-9]|\d{2,})$/)
      // Every event draws anew; nothing should move while we look.
      await page.getByRole('button', { name: 'Pause' }).click()
      for (const chart of ['delay', 'rate', 'memory']) {
        const line = page.locator(`#${chart} path.line-0`)
        expect(Number(await line.getAttribute('data-points'))).toBeGreaterThanOrEqual(3)
        expect(await line.getAttribute('d')).toMatch(/^M[\d.]+ [\d.]+(L[\d.]+ [\d.]+){2,}$/)
        expect((await line.boundingBox())?.width).toBeGreaterThan(5)
      }
      expect(await text(page, '#state')).toBe('live')
      expect(await text(page, 'dd[data-key=rssBytes]')).toMatch(/^\d+(\.\d)? MiB$/)
      expect(problems).toEqual([])
    })

    it('shows that the event loop was blocked', async () => {
      const { page } = await newPage()
      await page.goto('/live')
      await untilText(page, '#state', /^live$/)
      // The figure is shown until the next sample only; a browser that was too slow to see it gets another chance.
      const isShown = async (): Promise<boolean> => {
        await page.getByRole('button', { name: 'Block the event loop' }).click()
        const worst = page.locator('#delay [data-key=delayWorst]', { hasText: /^\d{3,}\.\d ms$/ })
        return worst.waitFor({ timeout: 3_000 }).then(
          () => true,
          () => false,
        )
      }
      while (!(await isShown()));
    })

    it('counts the requests of this page', async () => {
      const { page } = await newPage()
      await page.goto('/live')
      await page.getByRole('button', { name: 'Send 300 requests' }).click()
      await untilText(page, '[data-key=requests]', /^([3-9]\d\d|\d{4,})$/)
    })
  })

  describe('download', () => {
    it('is saved with its name and its size', async () => {
      const { page } = await newPage()
      await page.goto('/download')
      await page.getByLabel('Exactly').fill('3')
      const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save as a file' }).click()])
      expect(download.suggestedFilename()).toBe('demo-3-mib.bin')
      expect(new URL(download.url()).search).toBe('?mib=3')
      expect(statSync(await download.path()).size).toBe(3 * MEBIBYTE)
    })

    it('is measured while it arrives', async () => {
      const { page, problems } = await newPage()
      await page.goto('/download')
      await page.getByText('16', { exact: true }).click()
      await page.getByRole('button', { name: 'Measure here' }).click()
      await untilText(page, '#state', /^complete$/)
      expect(await text(page, '#length')).toBe('16,777,216')
      expect(await text(page, '#received-text')).toBe('16.0 MiB of 16.0 MiB')
      expect(problems).toEqual([])
    })

    it('is stopped by its reader', async () => {
      const { page } = await newPage()
      await page.goto('/download')
      await page.getByLabel('Exactly').fill('4096')
      await page.getByRole('button', { name: 'Measure here' }).click()
      await untilText(page, '#received-text', / of 4\.0 GiB$/)
      await page.getByRole('button', { name: 'Stop' }).click()
      expect(await untilText(page, '#state', /^stopped$/)).toBe('stopped')
    })
  })

  describe('session', () => {
    it('counts reloads, of this browser alone', async () => {
      const [{ page }, { page: other }] = await Promise.all([newPage(), newPage()])
      await page.goto('/session')
      expect(await text(page, '#visits')).toBe('1')
      await page.reload()
      await page.reload()
      expect(await text(page, '#visits')).toBe('3')
      await other.goto('/session')
      expect(await text(other, '#visits')).toBe('1')
    })

    it('remembers a name and never takes it for markup', async () => {
      const { page, problems } = await newPage()
      await page.goto('/session')
      await page.getByLabel('Your name').fill('<img src=x onerror=alert(1)>')
      await page.getByRole('button', { name: 'Remember' }).click()
      expect(await text(page, '#notice')).toContain('<img src=x onerror=alert(1)>')
      expect(await page.locator('main img').count()).toBe(0)
      expect(problems).toEqual([])
    })

    it('sets and removes a cookie', async () => {
      const { page } = await newPage()
      await page.goto('/session')
      await page.getByRole('button', { name: 'Set', exact: true }).click()
      expect(await text(page, '#cookies')).toContain('oat%20%26%20raisin')
      expect((await page.context().cookies()).map(({ name }) => name).sort()).toEqual(['demo.sid', 'flavour'])
      await page.getByRole('button', { name: 'Remove the cookie flavour' }).click()
      await untilText(page, '#notice', /removed/)
      expect((await page.context().cookies()).map(({ name }) => name)).toEqual(['demo.sid'])
    })
  })

  describe('errors', () => {
    it.each([
      ['Throw', 500, 'Internal Server Error', 'thrown by a handler, <b>on purpose</b>'],
      ['Reject', 500, 'Internal Server Error', 'rejected by an async handler, on purpose'],
      ['Refuse', 403, 'Forbidden', 'this one is for nobody'],
      ['Miss', 404, 'Not Found', 'nothing answers to GET /errors/nowhere'],
    ])('"%s" is answered with %i and a page', async (name, status, title, message) => {
      const { page } = await newPage()
      await page.goto('/errors')
      const answers: number[] = []
      page.on('response', (answer) => {
        if (answer.request().isNavigationRequest()) answers.push(answer.status())
      })
      await page.getByRole('link', { name }).click()
      await page.locator('#message').waitFor()
      expect(answers).toEqual([status])
      expect(await text(page, 'h1')).toBe(title)
      expect(await text(page, '#message')).toBe(message)
    })

    it('in the middle of an answer does not look like the end of it', async () => {
      const { page } = await newPage()
      await page.goto('/errors')
      const outcome = await page.evaluate("fetch('/errors/midway').then((answer) => answer.text()).then(() => 'complete', () => 'broken off')")
      expect(outcome).toBe('broken off')
    })
  })
}

describeWith('chromium', 'the demo in a browser, behind the gateway', () => visit('gateway', /gateway|express-fastcgi/i))
describeWith(['chromium', 'nginx'], 'the demo in a browser, behind nginx', () => visit('nginx', /nginx\/\d/))
