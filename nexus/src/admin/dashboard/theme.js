// Runs before anything is drawn: the colours that were chosen here before, and whether this is a wall.
(() => {
  const root = document.documentElement;
  const query = new URLSearchParams(location.search);
  if (query.has("wall")) root.classList.add("is-wall");
  let chosen = query.get("theme");
  try {
    chosen ??= localStorage.getItem("nexus-theme");
  } catch {
    // Storage is not allowed: the system's colours are as good.
  }
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
})();
