// An element of the page with its properties.
export function element(name, properties = {}) {
  return Object.assign(document.createElement(name), properties);
}
