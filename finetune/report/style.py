"""The report's style sheet: light and dark, paper too, no network.

--deepest is how much of its colour the darkest cell of a heat table has: as much as lets --ink be read on it at a
contrast of 4.5 (WCAG 2.2, 1.4.3); a test reckons it.
"""

from typing import Final

CSS: Final = """
:root { color-scheme: light dark; --ink: #1b2430; --soft: #5b6775; --page: #f6f7f9; --card: #fff;
  --line: #dfe4ea; --good: #0f7b6c; --bad: #c2410c; --code: #eef1f4; --deepest: 70%; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf1; --soft: #9aa7b5; --page: #12161c; --card: #1a2029;
  --line: #2c3541; --good: #2fb5a0; --bad: #f0824a; --code: #232b36; --deepest: 50%; } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif }
main { max-width: 1080px; margin: 0 auto; padding: 40px 24px 64px }
h1 { font-size: 30px; line-height: 1.2; margin: 0; overflow-wrap: anywhere }
h2 { font-size: 17px; margin: 0 0 4px }
p { margin: 4px 0 0 }
.soft { color: var(--soft); font-size: 13.5px }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 20px 22px;
  margin-top: 20px; overflow-x: auto }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 14px; margin-top: 24px }
.figures section { margin: 0; padding: 14px 18px }
.figures b { display: block; font-size: 28px; line-height: 1.25; font-variant-numeric: tabular-nums }
.pair { display: grid; grid-template-columns: minmax(0, 3fr) minmax(280px, 2fr); gap: 20px; align-items: start }
@media (max-width: 860px) { .pair { grid-template-columns: minmax(0, 1fr); gap: 0 } }
table { border-collapse: collapse; margin-top: 14px; font-variant-numeric: tabular-nums; font-size: 13.5px }
th { font-weight: 500; color: var(--soft); text-align: left }
td, th { padding: 4px 10px 4px 0 }
.wide { width: 100% }
.wide td, .wide th { border-bottom: 1px solid var(--line) }
.number { text-align: right }
.heat td { width: 34px; min-width: 34px; height: 30px; padding: 0; text-align: center; border: 1px solid var(--card);
  background: color-mix(in srgb, var(--hue) calc(var(--v) * var(--deepest)), var(--code)); border-radius: 5px }
.heat .right { --hue: var(--good) } .heat .wrong { --hue: var(--bad) }
.heat .none { color: transparent }
.heat th { max-width: 150px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.heat thead th { writing-mode: vertical-rl; transform: rotate(180deg); padding: 4px 0;
  max-height: 130px; text-align: left }
.bar { display: inline-block; width: 90px; height: 8px; border-radius: 4px; background: var(--code);
  vertical-align: middle }
.bar i { display: block; height: 8px; border-radius: 4px; background: var(--good) }
svg { display: block; width: 100%; max-width: 400px; height: auto; margin-top: 12px }
svg.broad { max-width: 560px }
svg text { fill: var(--soft); font-size: 11px; paint-order: stroke; stroke: var(--card); stroke-width: 3px }
.mistakes { display: grid; grid-template-columns: repeat(auto-fill, minmax(142px, 1fr)); gap: 16px; margin-top: 16px }
figure { margin: 0; min-width: 0 }
.texts { grid-template-columns: repeat(auto-fill, minmax(260px, 1fr)) }
blockquote { margin: 0 0 6px; padding: 10px 12px; background: var(--code); border-radius: 8px; font-size: 13px;
  line-height: 1.45; overflow-wrap: anywhere }
figure img { width: 100%; height: 130px; object-fit: contain; background: var(--code); border-radius: 8px }
figure img.small { image-rendering: pixelated }
figcaption { font-size: 12.5px; line-height: 1.4; margin-top: 6px; overflow-wrap: anywhere }
.said { color: var(--bad); font-weight: 600 }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 5px 20px; margin: 12px 0 0;
  font-size: 14px }
dt { color: var(--soft) } dd { margin: 0; overflow-wrap: anywhere }
pre { background: var(--code); border-radius: 8px; padding: 12px 14px; margin: 12px 0 0; overflow-x: auto;
  font-size: 13px }
@media print { body { background: #fff } section { break-inside: avoid } }
"""
