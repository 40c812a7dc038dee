"""The style sheet of the HTML report: light and dark, narrow and wide, screen and paper; safe for the colour-blind.

Colours are those of Okabe and Ito, darkened or lightened to a contrast of at least 4.5 to 1 where they carry text. How
a figure was obtained is never told by colour alone: tags have words, emulated and estimated marks are hollow.
"""

CSS = """
:root{color-scheme:light dark;--bg:#fff;--raised:#f6f7f9;--ink:#1b1f24;--soft:#57606a;--rule:#d5dae0;--grid:#e6e9ed;
--measured:#0062a3;--emulated:#a04500;--estimated:#7a3f78;--good:#0b6b50;--fill-measured:#3a8fc7;--fill-emulated:#d55e00;
--fill-estimated:#b05fa9;--shade:#eef0f3;--warn:#8a5a00;--bad:#b3261e}
@media screen and (prefers-color-scheme:dark){:root{--bg:#14171b;--raised:#1c2026;--ink:#e6e9ed;--soft:#a3adb8;
--rule:#343b44;--grid:#2a3038;--measured:#74bdf0;--emulated:#f4a35c;--estimated:#e0a3d9;--good:#5fd0a8;
--fill-measured:#56a9e0;--fill-emulated:#f08a3c;--fill-estimated:#cc79c3;--shade:#22272e;--warn:#e8b84a;--bad:#ff8a80}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue","Liberation Sans",Arial,sans-serif;font-variant-numeric:tabular-nums}
.page{max-width:1080px;margin:0 auto;padding:0 24px 64px}
.skip{position:absolute;left:-999px}
.skip:focus{left:8px;top:8px;background:var(--bg);color:var(--ink);padding:8px 12px;z-index:1}
a{color:var(--measured)}
:focus-visible{outline:2px solid var(--measured);outline-offset:2px}
header{padding:40px 0 8px}
.kicker{margin:0;color:var(--soft);font-size:13px;letter-spacing:.04em}
h1{font-size:30px;line-height:1.2;font-weight:650;letter-spacing:-.015em;margin:4px 0 20px;overflow-wrap:anywhere}
h2{font-size:22px;line-height:1.25;font-weight:650;letter-spacing:-.01em;margin:0;overflow-wrap:anywhere}
h3{font-size:15px;font-weight:650;margin:32px 0 8px}
p{margin:0 0 12px}
.verdict{border-left:4px solid var(--good);background:var(--raised);padding:16px 20px;border-radius:0 6px 6px 0}
.verdict.degraded{border-color:var(--warn)}
.verdict.invalid{border-color:var(--bad)}
.verdict p{margin:0;overflow-wrap:anywhere}
.verdict .lead{font-size:19px;line-height:1.45;margin-bottom:4px}
.verdict .more{color:var(--soft);margin-top:4px}
.word{font-weight:650;color:var(--good)}
.word.degraded{color:var(--warn)}
.word.invalid{color:var(--bad)}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:4px 20px;margin:16px 0 0;padding:0;font-size:15px}
.tag{display:inline-block;font-size:12px;line-height:1.5;font-weight:550;padding:0 7px;border-radius:10px;
white-space:nowrap;border:1px solid currentColor}
.tag.measured{color:var(--measured)}
.tag.emulated{color:var(--emulated);border-style:dashed}
.tag.estimated{color:var(--estimated);border-style:dotted}
.key{display:grid;grid-template-columns:max-content 1fr;gap:6px 12px;margin:12px 0 0;font-size:14px;color:var(--soft)}
.key dt,.key dd{margin:0}
section{margin-top:40px;padding-top:24px;border-top:1px solid var(--rule)}
.heading{display:flex;flex-wrap:wrap;align-items:baseline;gap:6px 12px;margin-bottom:10px}
.headline{color:var(--ink);max-width:75ch;overflow-wrap:anywhere}
.cards{display:grid;grid-template-columns:repeat(4,1fr);gap:1px;
margin:20px 0 12px}
.card{padding:12px 14px;outline:1px solid var(--rule)}
.card .name{font-size:13px;color:var(--soft);margin:0}
.card .big{font-size:23px;line-height:1.3;font-weight:600;letter-spacing:-.01em;margin:0 0 2px}
.issues,.notes{margin:12px 0;padding:0;list-style:none;font-size:15px}
.issues li{padding:8px 12px;margin:0 0 6px;background:var(--raised);border-radius:4px;overflow-wrap:anywhere}
.issues .severity{font-weight:650;margin-right:4px}
.issues .degraded .severity{color:var(--warn)}
.issues .invalid .severity{color:var(--bad)}
.issues .hint,.notes{color:var(--soft)}
.notes li{margin:0 0 4px}
code{font:13px/1.5 ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace;color:var(--soft)}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:24px 32px;margin-top:24px}
.plots.single{max-width:640px}
figure{margin:0;min-width:0}
figcaption{display:flex;flex-wrap:wrap;gap:4px 8px;align-items:baseline;font-size:14px;
font-weight:600;margin-bottom:4px}
figcaption .aside{font-weight:400;color:var(--soft);flex-basis:100%;font-size:13px}
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{font:11px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Liberation Sans",Arial,sans-serif;
fill:var(--soft);font-variant-numeric:tabular-nums}
svg .strong{fill:var(--ink);font-weight:600}
svg .axis{stroke:var(--soft);stroke-width:1}
svg .grid{stroke:var(--grid);stroke-width:1}
svg .mark{stroke:var(--ink);stroke-width:1;stroke-dasharray:3 3;opacity:.65}
svg .shade{fill:var(--shade)}
svg .ring{fill:none;stroke:var(--bad);stroke-width:1.2}
svg .measured{--c:var(--fill-measured)}
svg .emulated{--c:var(--fill-emulated)}
svg .estimated{--c:var(--fill-estimated)}
svg .bar{fill:var(--c)}
svg .bar.emulated,svg .bar.estimated{fill-opacity:.28;stroke:var(--c);stroke-width:1}
svg .bar.emulated{stroke-dasharray:4 2}
svg .bar.estimated{stroke-dasharray:1 2}
svg .dot{fill:var(--c)}
svg .dot.emulated,svg .dot.estimated{fill:var(--bg);stroke:var(--c);stroke-width:1.3}
svg .strip{stroke:var(--c);stroke-width:1;opacity:.55;fill:none}
svg .line{stroke:var(--c);stroke-width:1.3;fill:none;stroke-linejoin:round}
svg .whisker{stroke:var(--c);stroke-width:2;fill:none}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px;line-height:1.45}
caption{text-align:left;font-weight:600;font-size:15px;padding:24px 0 6px}
th,td{text-align:left;padding:6px 16px 6px 0;border-bottom:1px solid var(--grid);vertical-align:baseline}
thead th{color:var(--soft);font-weight:550;font-size:13px;border-bottom-color:var(--rule)}
tbody th{font-weight:500}
td.n,th.n{text-align:right;white-space:nowrap}
td.n strong{font-weight:600}
td .tag{margin-left:6px}
.compare td{white-space:nowrap}
.facts td{overflow-wrap:anywhere}
.facts th{white-space:nowrap;color:var(--soft);font-weight:450;width:1%}
.remark{color:var(--emulated);font-weight:550;margin-top:12px}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:0 40px;align-items:start}
footer{margin-top:56px;padding-top:16px;border-top:1px solid var(--rule);color:var(--soft);font-size:13px}
@media (max-width:760px){.cards{grid-template-columns:1fr 1fr}}
@media (max-width:560px){.page{padding:0 16px 40px}header{padding-top:24px}h1{font-size:25px}
.verdict .lead{font-size:17px}th,td{padding-right:10px}}
@media print{body{font-size:10.5pt}.page{max-width:none;padding:0}nav,.skip{display:none}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}figure,tr,.card,.issues li,.verdict{break-inside:avoid}
h2,h3,caption{break-after:avoid}section.run{break-before:page;border-top:0}.scroll{overflow:visible}
.plots{grid-template-columns:1fr 1fr}a{color:inherit;text-decoration:none}}
"""
