"""What overlaps in a page, by the boxes that a browser lays out."""

FIGURES = """
const box = (e) => e.getBoundingClientRect();
const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
  && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
const problems = [];
let pairs = 0;
for (const figure of document.querySelectorAll("figure.chart")) {
  const name = figure.querySelector("b").textContent;
  const svg = figure.querySelector("svg");
  const texts = [...svg.querySelectorAll("text")].filter((t) => t.textContent.trim());
  const bars = [...svg.querySelectorAll(".mark-rect.role-mark path")];
  const say = (...words) => problems.push([name, ...words].join(" | "));
  texts.forEach((text, i) => {
    const own = box(text), ends = box(figure);
    for (const other of texts.slice(i + 1)) {
      pairs += 1;
      if (meet(own, box(other))) say("texts", text.textContent, other.textContent);
    }
    for (const bar of bars) {
      pairs += 1;
      if (meet(own, box(bar))) say("bar", text.textContent, bar.getAttribute("aria-label"));
    }
    if (own.left < ends.left - 1 || own.right > ends.right + 1) say("beyond", text.textContent);
    if (own.height < 10) say("small", text.textContent, own.height);
  });
  const share = box(svg).width / box(figure).width;
  if (share < 0.95) say("fills", share.toFixed(2));
}
return { problems, pairs };
"""
"""Texts of figures on texts or bars, beyond their column or too small, and narrow figures."""
