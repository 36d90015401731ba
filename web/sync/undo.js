export class Undo {
  canUndo = false;
  canRedo = false;
  stepOf() {
    return null;
  }
  carry() {}
  heard() {}
  undo() {
    return null;
  }
  redo() {
    return null;
  }
  group(edits) {
    return edits();
  }
}
