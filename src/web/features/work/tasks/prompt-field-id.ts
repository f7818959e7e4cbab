/** Id of the field for a prompt, which *Request changes* focuses. */
export const promptFieldId = "task-prompt";
