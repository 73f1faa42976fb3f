// Owns one thing: the chosen colour scheme is set before the first paint, so that nothing flashes. A classic script,
// because modules run after the page has been drawn. Must not know anything else.
(() => {
  try {
    const chosen = localStorage.getItem("horarium.theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // Storage is switched off: the system's scheme it is.
  }
})();
