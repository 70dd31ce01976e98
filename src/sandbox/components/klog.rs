//! Lines of logs as the components write them: those of klog, the logger of Kubernetes. `source` is the place in the real program's code.

use crate::program_logs::ProgramLogs;
use crate::programs::Program;
use jiff::Timestamp;

#[derive(Clone)]
pub(super) struct Klog {
    logs: ProgramLogs,
    program: Program,
}

impl Klog {
    pub(super) fn new(logs: &ProgramLogs, program: Program) -> Self {
        Self { logs: logs.clone(), program }
    }

    pub(super) fn info(&self, node: &str, source: &str, text: &str) {
        self.write('I', node, source, text);
    }

    pub(super) fn error(&self, node: &str, source: &str, text: &str) {
        self.write('E', node, source, text);
    }

    fn write(&self, severity: char, node: &str, source: &str, text: &str) {
        let now = Timestamp::now().strftime("%m%d %H:%M:%S%.6f");
        self.logs.write(self.program, node, &format!("{severity}{now}       1 {source}] {text}"));
    }
}
