"""How the picture of a timeline looks, light and dark; each phase by colour and by height or pattern."""

from __future__ import annotations

# Colours by class, and not by variables of CSS, which viewers beside browsers do not know. The contrast of words with
# what is behind them is at least 4.5 (WCAG 2.2, 1.4.3), of bars with the paper at least 3 (1.4.11).
STYLE = """
svg{font:11px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;max-width:100%;height:auto}
.paper{fill:#fff}.row{fill:none}.job:hover .row{fill:#0001}
.head{font-size:14px;font-weight:600;fill:#1f2328}.name,.end{fill:#1f2328}
.name{font-family:ui-monospace,"DejaVu Sans Mono",monospace}
.note,.tick{fill:#59636e}.tick{text-anchor:middle}.grid{stroke:#d1d9e0;stroke-width:1}
.pending{fill:#818b98}.running{fill:#0969da}.blocked{fill:#bf8700}
.unknown{fill:#fff;stroke:#818b98;stroke-dasharray:3 2}
.stripes{fill:url(#jobwatch-stripes)}.gap{fill:url(#jobwatch-gap)}
.hatch{stroke:#1f2328;stroke-width:1.2}.hatched{fill:#fffb}
.word{fill:#fff}.on-blocked{fill:#1f2328;font-weight:600}
.seen{stroke:#59636e;stroke-width:1.5;stroke-dasharray:2 2}.on{fill:none;stroke:#59636e;stroke-width:2}
.late{fill:none;stroke:#8250df;stroke-width:2}
.edge{stroke:#59636e;stroke-width:3}.edge-succeeded{stroke:#1a7f37}.edge-failed,.edge-partial{stroke:#cf222e}
.sign{fill:none;stroke:#59636e;stroke-width:2;stroke-linecap:round}
.sign-good{stroke:#1a7f37}.sign-bad,.sign-partly{stroke:#cf222e}.sign-waiting{stroke:#9a6700}
@media (prefers-color-scheme:dark){
.paper{fill:#0d1117}.job:hover .row{fill:#fff1}
.head,.name,.end{fill:#e6edf3}.note,.tick{fill:#9198a1}.grid{stroke:#2f3742}
.pending{fill:#6e7681}.running{fill:#2f6feb}.blocked{fill:#d29922}.unknown{fill:#0d1117;stroke:#9198a1}
.hatch{stroke:#e6edf3}.hatched{fill:#0d1117bb}.on-blocked{fill:#0d1117}
.seen,.on{stroke:#9198a1}.late{stroke:#bc8cff}
.edge{stroke:#9198a1}.edge-succeeded{stroke:#3fb950}.edge-failed,.edge-partial{stroke:#ff7b72}
.sign{stroke:#9198a1}.sign-good{stroke:#3fb950}.sign-bad,.sign-partly{stroke:#ff7b72}.sign-waiting{stroke:#d29922}
}
"""

DEFINITIONS = (
    '<defs><pattern id="jobwatch-stripes" width="6" height="6" patternUnits="userSpaceOnUse"'
    ' patternTransform="rotate(45)"><path class="hatch" stroke-opacity=".35" d="M0 0v6"/></pattern>'
    '<pattern id="jobwatch-gap" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">'
    '<rect class="hatched" width="5" height="5"/><path class="hatch" d="M0 0v5"/></pattern></defs>'
)
