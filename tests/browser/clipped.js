// The elements whose focus ring an ancestor cuts off, because it hides or scrolls what is outside it.
() => {
  const wrong = [];
  const focusable = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
  for (const element of document.querySelectorAll(focusable)) {
    element.focus();
    if (document.activeElement !== element) continue;
    const style = getComputedStyle(element);
    if (style.outlineStyle === "none") continue;
    const ring = parseFloat(style.outlineWidth) + parseFloat(style.outlineOffset);
    const box = element.getBoundingClientRect();
    for (let frame = element.parentElement; frame && frame !== document.body; frame = frame.parentElement) {
      const { overflowX, overflowY } = getComputedStyle(frame);
      const inside = frame.getBoundingClientRect();
      const cutX = overflowX !== "visible" && (box.left - ring < inside.left - 0.5 || box.right + ring > inside.right + 0.5);
      const cutY = overflowY !== "visible" && (box.top - ring < inside.top - 0.5 || box.bottom + ring > inside.bottom + 0.5);
      if (cutX || cutY) wrong.push(`${element.outerHTML.slice(0, 90)} in ${frame.outerHTML.slice(0, 60)}`);
    }
  }
  return wrong;
}
