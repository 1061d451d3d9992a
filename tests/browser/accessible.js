// What a page lacks for people with a screen reader, a keyboard or weak eyes; an empty list when nothing.
() => {
  const wrong = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const shown = (one) => one.getClientRects().length && getComputedStyle(one).visibility !== "hidden";
  if (!document.documentElement.lang) wrong.push("no language");
  if (all("h1").length !== 1) wrong.push(`${all("h1").length} h1`);
  if (all("main").length !== 1) wrong.push("not one main");
  const ids = all("[id]").map((one) => one.id);
  for (const id of ids.filter((one, at) => ids.indexOf(one) !== at)) wrong.push(`id twice: ${id}`);
  for (const one of all("input:not([type=hidden]), select, textarea"))
    if (!one.labels.length && !one.ariaLabel) wrong.push(`no label: ${one.outerHTML}`);
  for (const one of all("button, a[href], summary"))
    if (!(one.ariaLabel || one.textContent.trim() || one.querySelector("img[alt]:not([alt=''])"))) wrong.push(`no name: ${one.outerHTML}`);
  for (const one of all("table")) if (!one.caption) wrong.push("a table without a caption");
  for (const one of all("th")) if (!one.scope) wrong.push(`th without scope: ${one.textContent}`);
  for (const one of all("img")) if (!one.hasAttribute("alt")) wrong.push(`no alt: ${one.src}`);
  for (const one of all("nav")) if (!one.ariaLabel) wrong.push("a nav without a name");
  for (const one of all("[aria-labelledby], [aria-describedby]"))
    for (const id of `${one.getAttribute("aria-labelledby") ?? ""} ${one.getAttribute("aria-describedby") ?? ""}`.trim().split(/ +/))
      if (!document.getElementById(id)) wrong.push(`no such id: ${id}`);
  const levels = all("h1, h2, h3").map((one) => Number(one.tagName[1]));
  levels.forEach((level, at) => { if (level > (at ? levels[at - 1] : 0) + 1) wrong.push(`heading skips to h${level}`); });
  const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => { paint.clearRect(0, 0, 1, 1); paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => [r, g, b].map((one) => { const part = one / 255;
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4; }).reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (one) => { for (let at = one; at; at = at.parentElement) { const found = rgba(getComputedStyle(at).backgroundColor);
    if (found[3] === 255) return found; } return [255, 255, 255, 255]; };
  for (const one of all("body *")) {
    const own = [...one.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!own || !shown(one) || one.closest(".hidden, .skip, noscript, option, select") || one.disabled) continue;
    const svg = one instanceof SVGElement;
    if (svg && one.tagName === "title") continue;
    const style = getComputedStyle(one);
    const [text, back] = [light(rgba(svg ? style.fill : style.color)), light(behind(svg ? one.closest("figure") : one))];
    const contrast = (Math.max(text, back) + 0.05) / (Math.min(text, back) + 0.05);
    if (contrast < 4.5) wrong.push(`contrast ${contrast.toFixed(2)}: ${one.tagName}.${one.className.baseVal ?? one.className} "${one.textContent.trim().slice(0, 40)}"`);
  }
  return [...new Set(wrong)];
}
