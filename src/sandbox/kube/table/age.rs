//! Durations in the form that kubectl prints: `5s`, `2m5s`, `3h1m`, `2d7h`.

use serde_json::Value;

/// Formats how long ago a time was, as kubectl does (apimachinery, `duration.HumanDuration`).
pub fn age(time: &Value) -> String {
    let Some(then) = time.as_str().and_then(|t| t.parse::<jiff::Timestamp>().ok()) else { return "<unknown>".into() };
    human(jiff::Timestamp::now().as_second() - then.as_second())
}

pub fn human(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let with =
        |n: i64, unit: &str, rest: i64, small: &str| if rest == 0 { format!("{n}{unit}") } else { format!("{n}{unit}{rest}{small}") };
    match seconds {
        ..0 => "0s".into(),
        0..120 => format!("{seconds}s"),
        120..600 => with(minutes, "m", seconds % 60, "s"),
        600..10800 => format!("{minutes}m"),
        10800..28800 => with(hours, "h", minutes % 60, "m"),
        28800..172_800 => format!("{hours}h"),
        172_800..691_200 => with(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        _ => with(days / 365, "y", days % 365, "d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_formatted_as_kubectl_does() {
        let ages: Vec<String> = [5, 119, 125, 660, 10860, 90000, 200_000].into_iter().map(human).collect();
        assert_eq!(ages, ["5s", "119s", "2m5s", "11m", "3h1m", "25h", "2d7h"]);
    }
}
