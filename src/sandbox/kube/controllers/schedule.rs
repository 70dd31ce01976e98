//! Schedules of cron jobs, as `robfig/cron` reads them: five fields, or a word such as `@daily`.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

/// How far a time is searched for: 29 February may be eight years away.
const MOST_DAYS: usize = 3000;
const MONTHS: &str = "jan feb mar apr may jun jul aug sep oct nov dec";
const DAYS: &str = "sun mon tue wed thu fri sat";

#[derive(Debug)]
pub struct Schedule {
    times: Times,
    zone: TimeZone,
}

#[derive(Debug)]
enum Times {
    Every(SignedDuration),
    /// A bit for each value of a field.
    Fields {
        minutes: u64,
        hours: u64,
        days: u64,
        months: u64,
        weekdays: u64,
        any_day: bool,
        any_weekday: bool,
    },
}

impl Schedule {
    /// `zone` is a name of the time zone database; None: UTC, as the controllers of AKS run.
    pub fn parse(text: &str, zone: Option<&str>) -> Result<Self, String> {
        let zone = match zone {
            Some(name) => TimeZone::get(name).map_err(|_| format!("unknown time zone {name}"))?,
            None => TimeZone::UTC,
        };
        if let Some(every) = text.strip_prefix("@every ") {
            let every: SignedDuration = every.trim().parse().map_err(|e| format!("failed to parse duration {text}: {e}"))?;
            // robfig/cron rounds up to a second
            return Ok(Self { times: Times::Every(SignedDuration::from_secs(every.as_secs().max(1))), zone });
        }
        let fields = match text {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(format!("expected exactly 5 fields, found {}: {text:?}", fields.len()));
        };
        let is_any = |field: &str| field.starts_with(['*', '?']);
        let times = Times::Fields {
            minutes: bits(minute, 0, 59, "")?,
            hours: bits(hour, 0, 23, "")?,
            days: bits(day, 1, 31, "")?,
            months: bits(month, 1, 12, MONTHS)?,
            weekdays: bits(weekday, 0, 6, DAYS)?,
            any_day: is_any(day),
            any_weekday: is_any(weekday),
        };
        Ok(Self { times, zone })
    }

    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        if let Times::Every(every) = self.times {
            return time.checked_add(every).ok();
        }
        let first = time.to_zoned(self.zone.clone()).date();
        let days = first.series(1.day()).take(MOST_DAYS);
        days.flat_map(|day| self.of(day)).find(|found| *found > time)
    }

    /// Returns the latest time after `since` and not after `until`.
    pub fn latest_until(&self, since: Timestamp, until: Timestamp) -> Option<Timestamp> {
        if let Times::Every(every) = self.times {
            let passed = until.duration_since(since).as_secs() / every.as_secs().max(1);
            return (passed > 0).then(|| since.checked_add(SignedDuration::from_secs(passed * every.as_secs())).ok()).flatten();
        }
        let (first, last) = (since.to_zoned(self.zone.clone()).date(), until.to_zoned(self.zone.clone()).date());
        let days = last.series(-1.day()).take(MOST_DAYS).take_while(|day| *day >= first);
        days.flat_map(|day| self.of(day).into_iter().rev()).find(|found| *found <= until).filter(|found| *found > since)
    }

    /// Returns the times of a day in their order.
    fn of(&self, date: Date) -> Vec<Timestamp> {
        let Times::Fields { minutes, hours, days, months, weekdays, any_day, any_weekday } = self.times else { return Vec::new() };
        let has = |bits: u64, value: i8| bits >> value & 1 == 1;
        let (day, weekday) = (has(days, date.day()), has(weekdays, date.weekday().to_sunday_zero_offset()));
        // two restricted fields count as either, as in every cron
        let fits = if any_day || any_weekday { day && weekday } else { day || weekday };
        if !fits || !has(months, date.month()) {
            return Vec::new();
        }
        let at = |hour: i8, minute: i8| Some(DateTime::from_parts(date, jiff::civil::Time::new(hour, minute, 0, 0).ok()?));
        let times = (0..24)
            .filter(|hour| has(hours, *hour))
            .flat_map(|hour| (0..60).filter(|minute| has(minutes, *minute)).filter_map(move |minute| at(hour, minute)));
        times.filter_map(|time| self.zone.to_timestamp(time).ok()).collect()
    }
}

/// Reads one field: values, ranges, steps and lists of them.
fn bits(field: &str, first: u8, last: u8, names: &str) -> Result<u64, String> {
    let value = |text: &str| -> Result<u8, String> {
        let named = names.split(' ').position(|name| !text.is_empty() && name.eq_ignore_ascii_case(text));
        let number = named.and_then(|at| u8::try_from(at).ok()).map(|at| at + first).or_else(|| text.parse().ok());
        number.ok_or_else(|| format!("failed to parse int from {text}"))
    };
    let mut all = 0;
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(value(step)?)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (value(from)?, value(to)?),
            None if matches!(range, "*" | "?") => (first, last),
            // `5/15` goes on to the end
            None => (value(range)?, if step.is_some() { last } else { value(range)? }),
        };
        if from < first || to > last || from > to || step == Some(0) {
            return Err(format!("{part:?} is not within {first} to {last}"));
        }
        all |= (from..=to).step_by(step.unwrap_or(1).into()).fold(0_u64, |bits, value| bits | 1 << value);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn next(schedule: &str, zone: Option<&str>, after: &str) -> String {
        Schedule::parse(schedule, zone).unwrap().next_after(time(after)).unwrap().to_string()
    }

    #[test]
    fn the_next_time_is_found() {
        // 2026-11-29 is a Sunday
        let after = "2026-11-29T10:17:30Z";
        assert_eq!(next("*/15 * * * *", None, after), "2026-11-29T10:30:00Z");
        assert_eq!(next("17 10 * * *", None, after), "2026-11-30T10:17:00Z", "the minute that runs has begun");
        assert_eq!(next("0 3 * * MON-FRI", None, after), "2026-11-30T03:00:00Z");
        assert_eq!(next("0 0 1 jan,Jul *", None, after), "2027-01-01T00:00:00Z");
        assert_eq!(next("0 0 13 * 5", None, after), "2026-12-04T00:00:00Z", "a Friday or the 13th");
        assert_eq!(next("0 0 29 2 *", None, after), "2028-02-29T00:00:00Z");
        assert_eq!(next("@hourly", None, after), "2026-11-29T11:00:00Z");
        assert_eq!(next("@every 1h30m", None, after), "2026-11-29T11:47:30Z");
        assert_eq!(next("0 9 * * *", Some("Europe/Berlin"), after), "2026-11-30T08:00:00Z");
    }

    #[test]
    fn of_the_times_that_passed_the_latest_counts() {
        let schedule = Schedule::parse("0 * * * *", None).unwrap();
        let latest = |since: &str| schedule.latest_until(time(since), time("2026-11-29T10:17:30Z")).map(|found| found.to_string());
        assert_eq!(latest("2026-11-29T07:30:00Z").as_deref(), Some("2026-11-29T10:00:00Z"));
        assert_eq!(latest("2025-11-29T07:30:00Z").as_deref(), Some("2026-11-29T10:00:00Z"));
        assert_eq!(latest("2026-11-29T10:00:00Z"), None, "it has run");
        let every = Schedule::parse("@every 10m", None).unwrap();
        let latest = every.latest_until(time("2026-11-29T09:00:00Z"), time("2026-11-29T09:25:00Z")).unwrap();
        assert_eq!(latest.to_string(), "2026-11-29T09:20:00Z");
    }

    #[test]
    fn what_is_not_a_schedule_is_refused() {
        for (text, zone) in [("* * * *", None), ("60 * * * *", None), ("5-1 * * * *", None), ("*/0 * * * *", None), ("x * * * *", None)] {
            assert!(Schedule::parse(text, zone).is_err(), "{text}");
        }
        assert!(Schedule::parse("* * * * *", Some("Nowhere/Town")).is_err());
    }
}
