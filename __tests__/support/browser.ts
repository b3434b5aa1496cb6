// A real headless browser, and a page that remembers everything that went wrong in it.
import { type Browser, chromium, type Page } from 'playwright-core'
import { program } from './need'

/** Starts Debian's Chromium without anything that would reach for the network by itself. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: program('chromium'),
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

export interface WatchedPage {
  readonly page: Page
  /** Errors and warnings of the console, uncaught errors, failed and refused requests, requests to anybody else. */
  readonly problems: readonly string[]
}

export interface PageOptions {
  /** Width in CSS pixels. */
  readonly width?: number
  readonly colorScheme?: 'light' | 'dark'
}

/** Opens a page in a context of its own: no cookies, an empty cache. Paths are relative to `baseURL`. */
export async function openPage(browser: Browser, baseURL: string, options: PageOptions = {}): Promise<WatchedPage> {
  const { width = 1280, colorScheme = 'light' } = options
  const context = await browser.newContext({ baseURL, colorScheme, viewport: { width, height: 800 }, acceptDownloads: true })
  const page = await context.newPage()
  const problems: string[] = []
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) problems.push(`console: ${message.text()}`)
  })
  page.on('pageerror', (error) => problems.push(`uncaught: ${error.message}`))
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(baseURL).origin) problems.push(`elsewhere: ${request.url()}`)
  })
  page.on('response', (response) => {
    if (response.status() >= 400) problems.push(`${response.status()}: ${response.url()}`)
  })
  page.on('requestfailed', (request) => {
    // Leaving a page ends its event stream, which is how an event stream ends.
    if (request.failure()?.errorText !== 'net::ERR_ABORTED') problems.push(`failed: ${request.url()} ${request.failure()?.errorText ?? ''}`)
  })
  return { page, problems }
}
