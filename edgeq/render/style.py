"""The style sheet of the HTML report: light and dark, narrow and wide, screen and paper; safe for the colour-blind.

Colours are those of Okabe and Ito, darkened or lightened to a contrast of at least 4.5 to 1 where they carry text. How
a figure was obtained is never told by colour alone: tags have words, emulated and estimated marks are hollow.
"""

CSS = """
:root{color-scheme:light dark;--bg:#fff;--raised:#f6f8fa;--ink:#1b1f24;--soft:#57606a;--rule:#d5dae0;--grid:#e6e9ed;
--measured:#0062a3;--emulated:#a04500;--estimated:#7a3f78;--planned:#4f5d6b;--good:#0b6b50;--fill-measured:#3a8fc7;
--fill-emulated:#d55e00;--fill-estimated:#b05fa9;--fill-planned:#7c8b9a;--shade:#eef0f3;--warn:#8a5a00;--bad:#b3261e;
--alarm:#fbe3df;--good-bg:#eaf5f0;--warn-bg:#fbf3e1;--bad-bg:#fcebe9}
@media screen and (prefers-color-scheme:dark){:root{--bg:#14171b;--raised:#1c2026;--ink:#e6e9ed;--soft:#a3adb8;
--rule:#343b44;--grid:#2a3038;--measured:#74bdf0;--emulated:#f4a35c;--estimated:#e0a3d9;--planned:#b3bfcb;
--good:#5fd0a8;--fill-measured:#56a9e0;--fill-emulated:#f08a3c;--fill-estimated:#cc79c3;--fill-planned:#8f9dab;
--shade:#22272e;--warn:#e8b84a;--bad:#ff8a80;--alarm:#3d2220;--good-bg:#16261f;--warn-bg:#2a2416;--bad-bg:#2f1d1c}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue","Liberation Sans",Arial,sans-serif;font-variant-numeric:tabular-nums}
.page{max-width:1080px;margin:0 auto;padding:0 24px 64px}
.skip{position:absolute;left:-999px}
.skip:focus{left:8px;top:8px;background:var(--bg);color:var(--ink);padding:8px 12px;z-index:1}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
a{color:var(--measured)}
:focus-visible{outline:2px solid var(--measured);outline-offset:2px}
header{padding:40px 0 8px}
.kicker{margin:0;color:var(--soft);font-size:13px;letter-spacing:.04em}
h1{font-size:32px;line-height:1.2;font-weight:650;letter-spacing:-.015em;margin:4px 0 6px;overflow-wrap:anywhere}
h2{font-size:24px;line-height:1.25;font-weight:650;letter-spacing:-.01em;margin:0;overflow-wrap:anywhere}
h3{font-size:18px;line-height:1.3;font-weight:650;margin:0 0 12px}
p{margin:0 0 12px}
.meta{color:var(--soft);margin:0 0 20px;font-size:15px;overflow-wrap:anywhere}
.verdict{--v:var(--good);background:var(--good-bg);border:1px solid var(--v);padding:18px 22px;border-radius:8px}
.verdict.degraded{--v:var(--warn);background:var(--warn-bg)}
.verdict.invalid{--v:var(--bad);background:var(--bad-bg)}
.verdict p{margin:6px 0 0;overflow-wrap:anywhere}
.verdict .lead{display:flex;gap:12px;align-items:center;font-size:20px;line-height:1.35;margin:0}
.seal{flex:none;width:30px;height:30px;border-radius:50%;background:var(--v);color:var(--bg);display:grid;
place-items:center;font-size:17px;font-weight:700}
.word{font-weight:650;color:var(--good)}
.word.degraded{color:var(--warn)}
.word.invalid{color:var(--bad)}
.claims{margin:14px 0 0;display:grid;gap:0}
.claims div{display:grid;grid-template-columns:130px 1fr;gap:4px 16px;padding:8px 0;border-top:1px solid var(--rule)}
.claims dt{font-weight:600;white-space:nowrap}
.claims dd{margin:0;overflow-wrap:anywhere}
.sign{display:inline-block;width:22px;font-weight:700;color:var(--soft)}
.sign.good{color:var(--good)}
.sign.bad{color:var(--bad)}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:4px 20px;margin:16px 0 0;padding:0;font-size:15px}
.tag{display:inline-block;font-size:12px;line-height:1.5;font-weight:550;padding:0 7px;border-radius:10px;
white-space:nowrap;border:1px solid currentColor}
.tag.measured{color:var(--measured)}
.tag.emulated{color:var(--emulated);border-style:dashed}
.tag.estimated{color:var(--estimated);border-style:dotted}
.tag.planned{color:var(--planned)}
.key{display:grid;grid-template-columns:max-content 1fr;gap:6px 12px;margin:16px 0 0;font-size:14px;color:var(--soft)}
.key dt,.key dd{margin:0}
@media (min-width:881px){.key{grid-template-columns:repeat(2,max-content 1fr)}}
section{margin-top:40px;padding-top:28px;border-top:1px solid var(--rule)}
.heading{display:flex;flex-wrap:wrap;align-items:baseline;gap:6px 12px;margin-bottom:10px}
.back{margin-left:auto;font-size:14px}
.part{margin-top:36px}
section.alone{border-top:0;margin-top:8px;padding-top:0}
.named tbody th{white-space:nowrap}
caption .tag{margin-left:4px}
.cards{display:grid;grid-template-columns:repeat(var(--beside),minmax(0,1fr));margin:20px 0 0;gap:1px}
.card{padding:12px 12px;outline:1px solid var(--rule);overflow-wrap:anywhere}
.card .name{font-size:13px;color:var(--soft);margin:0}
.card .big{font-size:23px;line-height:1.3;font-weight:600;letter-spacing:-.01em;margin:0 0 2px}
.issues,.notes{margin:12px 0;padding:0;list-style:none;font-size:15px}
.issues li{padding:10px 14px;margin:0 0 6px;background:var(--raised);border-left:3px solid var(--rule);
overflow-wrap:anywhere}
.issues .degraded,.issues .warning{border-color:var(--warn)}
.issues .invalid,.issues .error{border-color:var(--bad)}
.issues .severity{font-weight:650;margin-right:4px}
.issues .degraded .severity,.issues .warning .severity{color:var(--warn)}
.issues .invalid .severity,.issues .error .severity{color:var(--bad)}
.issues .hint,.notes{color:var(--soft)}
.notes{font-size:14px}
.notes li{margin:0 0 4px}
code{font:13px/1.5 ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace;color:var(--soft)}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,400px),1fr));gap:28px 40px;margin-top:16px}
.plots>div caption{padding-top:0}
.across{grid-column:1/-1}
figure{margin:0;min-width:0}
figcaption{display:flex;flex-wrap:wrap;gap:4px 8px;align-items:baseline;font-size:15px;
font-weight:600;margin-bottom:6px}
figcaption .aside{font-weight:400;color:var(--soft);flex-basis:100%;font-size:13px;line-height:1.45}
svg{display:block;width:100%;height:auto;overflow:visible}
.across svg:not(.wide){display:none}
svg text{font:11px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Liberation Sans",Arial,sans-serif;
fill:var(--soft);font-variant-numeric:tabular-nums}
svg.wide text{font-size:12px}
svg .strong{fill:var(--ink);font-weight:600}
svg .bad{fill:var(--bad);font-weight:600}
svg .axis{stroke:var(--soft);stroke-width:1}
svg .grid{stroke:var(--grid);stroke-width:1}
svg .mark{stroke:var(--ink);stroke-width:1;stroke-dasharray:3 3;opacity:.55}
svg .flag{stroke:var(--bad);stroke-width:1.5}
svg .shade{fill:var(--shade)}
svg .alarm{fill:var(--alarm)}
svg .ring{fill:none;stroke:var(--bad);stroke-width:1.2}
svg .measured{--c:var(--fill-measured)}
svg .emulated{--c:var(--fill-emulated)}
svg .estimated{--c:var(--fill-estimated)}
svg .planned{--c:var(--fill-planned)}
svg .bar{fill:var(--c)}
svg .bar.emulated,svg .bar.estimated{fill-opacity:.28;stroke:var(--c);stroke-width:1}
svg .bar.emulated{stroke-dasharray:4 2}
svg .bar.estimated{stroke-dasharray:1 2}
svg .dot{fill:var(--c)}
svg .dot.emulated,svg .dot.estimated{fill:var(--bg);stroke:var(--c);stroke-width:1.3}
svg .dot.behind{fill:var(--bg);stroke:var(--c);stroke-width:1.5}
svg .dot.front,svg .dot.chosen{fill:var(--c)}
svg .dot.chosen{stroke:var(--ink);stroke-width:2}
svg .edge{fill:none;stroke:var(--soft);stroke-width:1.2;stroke-dasharray:5 3}
svg .strip{stroke:var(--c);stroke-width:1.6;stroke-linecap:round;opacity:.7;fill:none}
svg .pale{opacity:.25}
svg .line{stroke:var(--c);stroke-width:1.4;fill:none;stroke-linejoin:round}
svg .reading{stroke:var(--planned)}
svg .stairs{stroke:var(--ink);stroke-width:1.8;fill:none}
svg .band{fill:var(--ink);opacity:.16}
svg .whisker{stroke:var(--ink);stroke-width:1.4;fill:none}
svg .tank{fill:var(--shade);stroke:var(--rule)}
svg .part{fill:var(--c)}
svg .p1{fill-opacity:.66}
svg .p2{fill-opacity:.4}
svg .excess{fill:var(--bad)}
svg .limit{stroke:var(--ink);stroke-width:1.5}
details{margin-top:8px}
summary{cursor:pointer;color:var(--measured);font-size:13px;width:max-content;max-width:100%}
section>details>summary{font-size:15px;margin-top:16px}
.scroll{overflow-x:auto;position:relative}
table{border-collapse:collapse;width:100%;font-size:14px;line-height:1.45}
caption{text-align:left;font-weight:600;font-size:15px;padding:24px 0 6px}
details caption{position:absolute;clip-path:inset(50%)}
h3+.pair>:nth-child(-n+2) caption{padding-top:4px}
th,td{text-align:left;padding:6px 16px 6px 0;border-bottom:1px solid var(--grid);vertical-align:baseline}
thead th{color:var(--soft);font-weight:550;font-size:13px;border-bottom-color:var(--rule)}
tbody th{font-weight:500}
td.n,th.n{text-align:right;white-space:nowrap}
td.n strong{font-weight:600;white-space:nowrap}
.data{font-size:13px}
.data td{white-space:nowrap}
.glance .v,.compare .v{font-weight:600}
.compare .v{white-space:nowrap}
.glance th,.glance td{padding-right:12px}
.glance td .tag,.glance th .tag{display:block;width:fit-content;margin:2px 0 0;font-size:11px}
.compare td{white-space:nowrap}
.compare td .tag{margin-left:4px}
.glance th[scope=row]{min-width:130px}
.glance .word{display:block;font-size:13px}
.facts td{overflow-wrap:anywhere}
.facts th{white-space:nowrap;color:var(--soft);font-weight:450;width:1%}
.origin td{font:13px/1.5 ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace}
.remarks{margin:16px 0 0;
padding:10px 14px 10px 32px;background:var(--warn-bg);border-left:3px solid var(--warn);font-size:15px}
.pair>*,.plots>*{min-width:0}
.pair{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,400px),1fr));gap:0 40px;align-items:start}
footer{margin-top:56px;padding-top:16px;border-top:1px solid var(--rule);color:var(--soft);font-size:13px}
@media screen and (max-width:880px){h3+.pair>:nth-child(2) caption{padding-top:24px}}
@media screen and (max-width:760px){.cards{grid-template-columns:repeat(auto-fit,minmax(150px,1fr))}
.across svg.wide{display:none}.across svg:not(.wide){display:block}}
@media (max-width:560px){.page{padding:0 16px 40px}header{padding-top:24px}h1{font-size:26px}
.verdict{padding:14px 16px}.verdict .lead{font-size:17px}.claims div{grid-template-columns:1fr}th,td{padding-right:10px}
svg text{font-size:13.5px}:is(.pair,.plots>div) :is(td,th).n{white-space:normal}
:is(.pair,.plots>div) table{font-size:13px}:is(.pair,.plots>div) .tag{margin-left:0;font-size:11px;padding:0 5px}
:is(.pair,.plots>div) :is(th,td){padding-right:8px}}
@media print{@page{margin:14mm}body{font-size:10pt}.page{max-width:none;padding:0}nav,.skip,.back,summary{display:none}
header{padding-top:0}*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
figure,tr,.card,.issues li,.verdict,.claims div,.pair>div,.plots>div{break-inside:avoid}
h2,h3,caption,figcaption{break-after:avoid}
section.run{break-before:page;border-top:0;margin-top:0;padding-top:0}.part{margin-top:22px}.scroll{overflow:visible}
section.run.alone{break-before:auto}.plots{grid-template-columns:repeat(2,minmax(0,1fr));gap:16px 24px}
svg text{font-size:12.5px}.pair{grid-template-columns:1fr 1fr;gap:0 24px}table,.notes,.key{font-size:8.5pt}
thead th,figcaption .aside{font-size:8pt}caption,figcaption{font-size:10.5pt}.issues,.meta{font-size:9.5pt}
th,td{padding:3px 8px 3px 0}.tag{font-size:7pt;padding:0 4px}.card{min-width:110px}.card .big{font-size:15pt}
.across svg.wide{display:block}.across svg:not(.wide){display:none}.across svg text{font-size:13px}
a{color:inherit;text-decoration:none}.data{display:none}}
"""
