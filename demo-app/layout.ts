// The frame around every page: head, navigation, footer. All links carry req.baseUrl, so the site works under any prefix.
import { type Response } from 'express'
import { html, type Markup, type Value } from './html'

/** One entry of the navigation, in its order. */
const sections = [
  ['/', 'Request'],
  ['/upload', 'Upload'],
  ['/live', 'Live'],
  ['/download', 'Download'],
  ['/echo', 'Echo'],
  ['/session', 'Session'],
  ['/errors', 'Errors'],
] as const

/** A path of the navigation. */
export type Section = (typeof sections)[number][0]

export interface Page {
  readonly title: string
  /** The navigation entry to mark as current. */
  readonly section?: Section
  /** One or two sentences under the title. */
  readonly lead?: Value
  readonly body: Value
  /** Name of the file in public/ that brings the page to life. */
  readonly script?: string
}

/** What the application sets once per request, for everything that is rendered. */
export interface Locals {
  /** The prefix the whole site is mounted under: '' at the top of a host, '/demo' after `parent.use('/demo', site)`. */
  readonly root: string
  /** Who stands between the browser and the application, for the footer. */
  readonly servedBy: string
}

/** The prefix of every link on this page. */
export function rootOf(res: Response): string {
  return (res.locals as Locals).root
}

function navigation(base: string, current: Section | undefined): Markup {
  return html`<nav aria-label="Pages"><ul>
    ${sections.map(([path, name]) => html`
      <li><a href="${base}${path}"${path === current && html` aria-current="page"`}>${name}</a></li>`)}
  </ul></nav>`
}

/** Renders a whole document and sends it with whatever status was set before. */
export function sendPage(res: Response, page: Page): void {
  const base = rootOf(res)
  const document = html`<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>${page.title} · express-fastcgi</title>
  <link rel="icon" href="${base}/assets/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="${base}/assets/style.css">
  ${page.script !== undefined && html`<script type="module" src="${base}/assets/${page.script}"></script>`}
</head>
<body data-base="${base}">
  <a class="skip" href="#main">Skip to the content</a>
  <header class="top">
    <div class="wrap">
      <a class="brand" href="${base}/">
        <svg viewBox="0 0 32 32" aria-hidden="true" focusable="false">
          <rect width="32" height="32" rx="8"/>
          <path d="M7 11h11M7 16h18M7 21h11M20 11l5 5-5 5"/>
        </svg>
        <span>express-fastcgi</span>
      </a>
      ${navigation(base, page.section)}
    </div>
  </header>
  <main id="main" class="wrap">
    <div class="title">
      <h1>${page.title}</h1>
      ${page.lead !== undefined && html`<p class="lead">${page.lead}</p>`}
    </div>
    ${page.body}
  </main>
  <footer>
    <div class="wrap">
      <p>Express 5 on Node.js ${process.version}, process ${process.pid}</p>
      <p>Served by ${(res.locals as Locals).servedBy}</p>
    </div>
  </footer>
</body>
</html>
`
  res.type('html').send(document.toString())
}

