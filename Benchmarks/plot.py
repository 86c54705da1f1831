"""The plot of the README: rates as horizontal bars on a logarithmic scale. An SVG needs no library."""

import math

from programs import OURS

COLORS = {OURS: "#d9480f", "mosq": "#1c7ed6", "pahoc": "#74b816", "pahopy": "#adb5bd"}
SHOWN = (("publish", "QoS 0, 16 B", "publish QoS 0"), ("publish", "QoS 1, 16 B", "publish QoS 1"),
         ("publish", "QoS 2, 16 B", "publish QoS 2"), ("receive", "QoS 0, 16 B", "receive QoS 0"),
         ("receive", "QoS 1, 16 B", "receive QoS 1"), ("receive", "QoS 2, 16 B", "receive QoS 2"))
LEFT, WIDTH, BAR, GAP = 120, 520, 11, 16


def svg(groups, names):
    lowest, highest = 3, 7.5  # a thousand to thirty million a second
    parts, y = [], 44

    def x(rate):
        return LEFT + WIDTH * (min(max(math.log10(rate), lowest), highest) - lowest) / (highest - lowest)

    for group, row, label in SHOWN:
        found = groups.get(group, {}).get(row, {})
        top = y
        for peer, color in COLORS.items():
            rate = (found.get(peer) or {}).get("rate")
            if not rate:
                continue
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{x(rate) - LEFT:.1f}" height="{BAR - 1}" fill="{color}"/>')
            parts.append(f'<text x="{x(rate) + 4:.1f}" y="{y + BAR - 2}" class="n">{text(rate)}</text>')
            y += BAR
        parts.append(f'<text x="{LEFT - 8}" y="{(top + y) / 2 + 4:.1f}" text-anchor="end">{label}</text>')
        y += GAP
    lines = [f'<line x1="{x(10 ** power):.1f}" x2="{x(10 ** power):.1f}" y1="36" y2="{y - GAP + 6}" stroke="#ced4da"/>'
             f'<text x="{x(10 ** power):.1f}" y="{y + 4}" text-anchor="middle" class="n">{text(10 ** power)}</text>'
             for power in range(lowest, int(highest) + 1)]
    legend, at = [], LEFT
    for peer, color in COLORS.items():
        legend.append(f'<rect x="{at}" y="14" width="10" height="10" fill="{color}"/><text x="{at + 14}" y="23">{names[peer]}</text>')
        at += 34 + 7 * len(names[peer])
    style = "text{font:12px sans-serif;fill:#495057}.n{font-size:9px}"
    title = "Messages of 16 B a second on one connection, logarithmic; QoS 1 and 2 with 1,000 outstanding"
    return "\n".join(
        [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 60} {y + 30}" role="img" aria-label="{title}">',
         f"<style>{style}</style>", f'<rect width="100%" height="100%" fill="#fff"/>', *legend, *lines, *parts,
         f'<text x="{LEFT}" y="{y + 22}" class="n">{title}</text>', "</svg>", ""])


def text(rate):
    return f"{rate / 1e6:.3g} M" if rate >= 1e6 else f"{rate / 1e3:.3g} k"
