/** Keys: which belong to a field and which to the page, and the lists of shortcuts on the help sheet. */

export interface ShortcutGroup {
  title: string;
  /** Keys with spaces between them ("Ctrl Z"), and what they do. */
  keys: [string, string][];
}

/** True for a key press that goes into a field, so that it is no shortcut. */
export function isTyping(event: KeyboardEvent): boolean {
  const at = event.target;
  if (!(at instanceof HTMLElement)) return false;
  if (at instanceof HTMLInputElement) return !["checkbox", "radio", "button", "range"].includes(at.type);
  return at.isContentEditable || at instanceof HTMLTextAreaElement || at instanceof HTMLSelectElement;
}

export const withControl = (event: KeyboardEvent): boolean => event.ctrlKey || event.metaKey;

/** A key alone, or with shift where the character needs it. */
export const isPlain = (event: KeyboardEvent): boolean => !event.ctrlKey && !event.metaKey && !event.altKey;

/** Attachment: focus a field as it appears, with its text selected, so that typing replaces it. */
export function focusField(field: HTMLInputElement | HTMLTextAreaElement): void {
  field.focus();
  field.select();
}
