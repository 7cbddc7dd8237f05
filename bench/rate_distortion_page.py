#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An HTML page of bench/results/rate_distortion.json: curves, BD-PSNR over JPEG2000, the best within so many bytes.

One file without scripts or network; the same input gives the same bytes. Standard library alone.

  python bench/rate_distortion_page.py bench/results/rate_distortion.json -o bench/results/compression/rate_distortion.html
"""
import argparse
import html
import json
import math

# Names as shown, colour, dash of the line.
CODECS = {
    "structured": ("structured, lossless to bounded", "#1b6e53", ""),
    "codes": ("codes of a decoder", "#2f6fde", ""),
    "principal components": ("principal components", "#8a5bd1", "6 3"),
    "one network a map": ("one network a map (COIN)", "#b0528b", ""),
    "jpeg2000": ("JPEG2000", "#d2691e", ""),
    "zfp": ("zfp", "#777777", "2 3"),
    "sz3": ("SZ3", "#444444", "7 3 2 3"),
}
STYLE = """body{font:15px/1.5 system-ui,sans-serif;margin:0;background:#f6f7f8;color:#1c2530}
main{max-width:1080px;margin:0 auto;padding:24px 20px 60px}
h1{font-size:25px;margin:0 0 6px}h2{font-size:19px;margin:32px 0 8px}h3{font-size:15px;margin:0 0 2px}
.soft{color:#55606c}.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(460px,1fr));gap:16px;margin-top:12px}
.panel{background:#fff;border:1px solid #dfe3e7;border-radius:6px;padding:12px 14px 6px}
svg{width:100%;height:auto;display:block}
table{border-collapse:collapse;background:#fff;font-size:13.5px;margin:8px 0}
th,td{padding:3px 10px;border:1px solid #dfe3e7;text-align:left}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
td small{white-space:nowrap}td.best{background:#e2f3e9;font-weight:600}td.loss{color:#a6461a}
.key{display:flex;flex-wrap:wrap;gap:6px 18px;margin:10px 0 0;font-size:13.5px}.key span{display:flex;align-items:center;gap:6px}
"""
LOW_BYTES, HIGH_BYTES, LOW_DB, HIGH_DB = 8, 4096, 20, 62
WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 480, 300, 40, 36, 10, 18


def frontier(points):
    """Points that no smaller file reaches, as (bytes, dB)."""
    best, out = -math.inf, []
    for p in sorted(points, key=lambda p: (p["bytes"], -p["psnr_db"])):
        if p["psnr_db"] > best:
            best = p["psnr_db"]
            out.append((p["bytes"], best))
    return out


def place(size, db):
    x = LEFT + (WIDTH - LEFT - RIGHT) * math.log2(size / LOW_BYTES) / math.log2(HIGH_BYTES / LOW_BYTES)
    y = TOP + (HEIGHT - TOP - BOTTOM) * (HIGH_DB - db) / (HIGH_DB - LOW_DB)
    return x, y


def axes():
    parts = []
    for k in range(int(math.log2(LOW_BYTES)), int(math.log2(HIGH_BYTES)) + 1):
        x, y = place(2 ** k, LOW_DB)
        parts.append('<line x1="%.1f" y1="%d" x2="%.1f" y2="%.1f" stroke="#eceff1"/>' % (x, TOP, x, y))
        parts.append('<text x="%.1f" y="%.1f" text-anchor="middle">%d</text>' % (x, y + 15, 2 ** k))
    for db in range(LOW_DB, HIGH_DB + 1, 10):
        x, y = place(LOW_BYTES, db)
        parts.append('<line x1="%.1f" y1="%.1f" x2="%d" y2="%.1f" stroke="#eceff1"/>' % (x, y, WIDTH - RIGHT, y))
        parts.append('<text x="%.1f" y="%.1f" text-anchor="end">%d</text>' % (x - 6, y + 4, db))
    x, y = place(LOW_BYTES, LOW_DB)
    parts.append('<text x="%.1f" y="%.1f" text-anchor="middle">bytes a map</text>' % ((LEFT + WIDTH - RIGHT) / 2, y + 31))
    parts.append('<text x="12" y="%.1f" text-anchor="middle" transform="rotate(-90 12 %.1f)">PSNR, dB</text>'
                 % ((TOP + y) / 2, (TOP + y) / 2))
    return parts


def panel(name, curves):
    parts = ['<svg viewBox="0 0 %d %d" font-size="11" fill="#55606c" role="img" aria-label="%s">' %
             (WIDTH, HEIGHT, html.escape(name))] + axes()
    for codec, (_, colour, dash) in CODECS.items():
        shown = [p for p in frontier(curves.get(codec, [])) if p[0] <= HIGH_BYTES and p[0] >= LOW_BYTES and p[1] >= LOW_DB]
        if not shown:
            continue
        at = [place(*p) for p in shown]
        if len(at) > 1:
            parts.append('<polyline fill="none" stroke="%s" stroke-width="2"%s points="%s"/>' % (
                colour, ' stroke-dasharray="%s"' % dash if dash else "", " ".join("%.1f,%.1f" % p for p in at)))
        parts += ['<circle cx="%.1f" cy="%.1f" r="%s" fill="%s"/>' % (*p, 4 if len(at) == 1 else 2.2, colour) for p in at]
    return '<div class="panel"><h3>%s</h3>%s</svg></div>' % (html.escape(name), "".join(parts))


def key(used):
    return '<div class="key">%s</div>' % "".join(
        '<span><svg style="width:34px" viewBox="0 0 34 8"><line x1="0" y1="4" x2="34" y2="4" stroke="%s" stroke-width="2.5"%s/>'
        "</svg>%s</span>" % (colour, ' stroke-dasharray="%s"' % dash if dash else "", html.escape(title))
        for codec, (title, colour, dash) in CODECS.items() if codec in used)


def bd_table(families, used):
    rows = ["<tr><th>family</th>%s</tr>" % "".join(
        '<th class="n">%s</th>' % html.escape(CODECS[c][0]) for c in used if c != "jpeg2000")]
    for name, row in families.items():
        cells = ""
        for codec in used:
            if codec == "jpeg2000":
                continue
            bd = row["bd_psnr_over_jpeg2000"].get(codec)
            cells += '<td class="n">–</td>' if bd is None else '<td class="n%s">%+.1f dB<br><small>%.0f to %.0f B</small></td>' % (
                " loss" if bd["db"] < 0 else "", bd["db"], bd["from_bytes"], bd["to_bytes"])
        rows.append("<tr><td>%s</td>%s</tr>" % (html.escape(name), cells))
    return "<table>%s</table>" % "\n".join(rows)


def limits_table(row, used):
    limits = list(row["at_most_bytes"])
    out = ["<tr><th>within bytes a map</th>%s</tr>" % "".join('<th class="n">%s</th>' % x for x in limits)]
    for codec in used:
        cells = ""
        for limit in limits:
            cell = row["at_most_bytes"][limit]
            value = cell.get(codec)
            top = value is not None and value == cell[cell["best"]]
            cells += '<td class="n%s">%s</td>' % (" best" if top else "", "–" if value is None else "%.1f" % value)
        out.append("<tr><td>%s</td>%s</tr>" % (html.escape(CODECS[codec][0]), cells))
    return "<table>%s</table>" % "\n".join(out)


def where_jpeg2000_wins(families):
    """Sentences: limits at which JPEG2000 is the best, and where it is not there at all."""
    lines = []
    for name, row in families.items():
        wins = [limit for limit, cell in row["at_most_bytes"].items() if cell["best"] == "jpeg2000"]
        least = min(p["bytes"] for p in row["curves"]["jpeg2000"])
        text = "best of all within %s bytes" % ", ".join(wins) if wins else "nowhere the best"
        lines.append("<li>%s: JPEG2000 is %s; its smallest codestream has %.0f bytes.</li>" % (html.escape(name), text, least))
    return "<ul>%s</ul>" % "\n".join(lines)


def page(result):
    families = result["families"]
    used = [c for c in CODECS if any(c in r["curves"] for r in families.values())]
    decoders = "; ".join("%s: %d bytes, %d numbers a code, trained on %d maps" % (
        html.escape(n), c["decoder_bytes"], c["code"], c["training_models"]) for n, c in result["codecs"].items())
    body = ["<h1>Rate and distortion of velocity maps</h1>",
            '<p class="soft">%d maps of each family that no decoder has seen. Bytes are those of files, header included; '
            "decoders and components are shared by all maps and not counted (%s). PSNR: mean over maps, range of 3,000 m/s, "
            "at most 60 dB a map. Measured %s on %s; OpenJPEG %s%s.</p>" % (
                result["maps"], decoders, result["date"][:10], html.escape(result["processor"]), result["openjpeg"],
                "".join(", %s %s" % (html.escape(k), html.escape(v)) for k, v in result.get("others", {}).items())),
            key(used), '<div class="grid">'] + [panel(n, r["curves"]) for n, r in families.items()]
    body += ["</div><h2>BD-PSNR over JPEG2000</h2>",
             '<p class="soft">Mean difference over log2(bytes) on the interval that both curves have; a dash where they share '
             "none: one ends before the other begins.</p>", bd_table(families, used),
             "<h2>Where JPEG2000 wins</h2>", where_jpeg2000_wins(families),
             "<h2>Best PSNR within a number of bytes</h2>",
             '<p class="soft">dB; a dash: no file is that small.</p>']
    for name, row in families.items():
        body.append("<h3>%s</h3>%s" % (html.escape(name), limits_table(row, used)))
    return ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Rate and distortion</title>\n<style>%s</style>'
            "</head>\n<body><main>\n%s\n</main></body></html>\n" % (STYLE, "\n".join(body)))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("result", help="what rate_distortion.py wrote")
    p.add_argument("-o", "--output", required=True)
    a = p.parse_args()
    with open(a.result, encoding="utf-8") as f:
        text = page(json.load(f))
    with open(a.output, "w", encoding="utf-8") as f:
        f.write(text)


if __name__ == "__main__":
    main()
