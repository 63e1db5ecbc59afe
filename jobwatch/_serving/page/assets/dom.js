// Making and changing elements. Whatever a server said goes in as text: nothing here reads HTML.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element with attributes and children; a child that is a text becomes a text node. */
export function el(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** Make an element of SVG. */
export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

/** Make a sign, one of the symbols in page.html. */
export function sign(name) {
  return svg("svg", { class: `sign sign-${name}`, "aria-hidden": "true", focusable: "false" }, svg("use", { href: `#sign-${name}` }));
}

/** Make a link to a page about a job, or plain text where its address is none of the web's. */
export function link(address, text, attributes = {}) {
  const url = webAddress(address);
  if (url === null) return el("span", attributes, text);
  return el("a", { href: url, target: "_blank", rel: "noopener noreferrer nofollow", ...attributes }, text);
}

/** Return an address if it is one of http or https, else null. */
export function webAddress(address) {
  try {
    const url = new URL(address);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}

/** Set a text, if it is another one: what is written anew is laid out anew. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Set an attribute, if it is another one; null removes it. */
export function setAttribute(element, name, value) {
  if (value === null) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value)) {
    element.setAttribute(name, value);
  }
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}
