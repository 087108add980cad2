/* Sets the theme before the page is painted. Without it, the page has the light theme or the chosen one. */
"use strict";
{
  const root = document.documentElement;
  const device = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => root.setAttribute("data-bs-theme", device.matches ? "dark" : "light");
  if (!root.hasAttribute("data-bs-theme")) {
    follow();
    device.addEventListener("change", follow);
  }
}
