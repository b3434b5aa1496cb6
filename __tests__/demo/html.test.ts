import { escape, html } from '../../demo-app/html'

describe('markup', () => {
  it('escapes everything that has a meaning in element content or in a quoted attribute', () => {
    expect(escape(`<a href="x" title='y'>&amp;`)).toBe('&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;amp;')
  })

  it('escapes text, keeps markup, joins lists and leaves out nothing', () => {
    const items = ['<1>', html`<b>${'<2>'}</b>`]
    expect(String(html`<p>${items} ${3} ${false}${null}${undefined}</p>`)).toBe('<p>&lt;1&gt;<b>&lt;2&gt;</b> 3 </p>')
  })
})
