// Islands: places in the Gradio page (`<div id="island-name" class="island">`) that a module of ours fills, also when Gradio draws them anew.

const mounts = new Map();
const mounted = new WeakMap();

/** Say how an island is filled: mount(node) draws into the node; it may return a function that is called when the node is gone. */
export function island(name, mount) {
  mounts.set(name, mount);
  queueMicrotask(scan); // after the module has run to its end, so that a mount may use all of it
}

function scan() {
  for (const [name, mount] of mounts) {
    const node = document.getElementById(`island-${name}`);
    if (!node || mounted.has(node)) continue;
    mounted.set(node, true);
    try {
      const unmount = mount(node);
      if (typeof unmount === "function") gone.set(node, unmount);
    } catch (error) {
      console.error(error);
      node.textContent = "This part of the page could not be drawn. Reload the page; the browser's console has the details.";
    }
  }
}

const gone = new Map();
function sweep() {
  for (const [node, unmount] of gone)
    if (!node.isConnected) {
      gone.delete(node);
      unmount();
    }
}

let waiting = false;
new MutationObserver(() => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    scan();
    sweep();
  });
}).observe(document.documentElement, { childList: true, subtree: true });
