// Names what the theme's own script adds, for people with a screen reader, and lets the keyboard scroll wide tables.
const named = () => {
  document.querySelectorAll("nav.md-code__nav:not([role])").forEach((bar) => bar.setAttribute("role", "presentation"));
  document.querySelectorAll(".md-typeset__scrollwrap:not([tabindex])").forEach((wide) => wide.setAttribute("tabindex", "0"));
};
new MutationObserver(named).observe(document.body, { childList: true, subtree: true });
named();
