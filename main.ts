// Chooses the face by how we are called, and loads only that one.

if (import.meta.main) {
  console.error("k8contivnet: no face yet");
}
