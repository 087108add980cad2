/* Copying with one click; everything else on these pages works without this file. */
"use strict";
const showCopy = (root) => root.querySelectorAll("button.copy[hidden]").forEach((button) => { button.hidden = false; });
document.addEventListener("DOMContentLoaded", () => showCopy(document));
document.addEventListener("htmx:afterSwap", (event) => showCopy(event.target));
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
});
